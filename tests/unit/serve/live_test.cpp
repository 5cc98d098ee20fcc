// Queries for which something is read on demand: columns of a snapshot, and rows of processes.
#include "control_fixture.h"

namespace de::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LiveQueries : public ControlTest {
 protected:
  Reply query(const std::string& sql, pb::QueryMode mode = pb::QUERY_RUN) {
    pb::ControlRequest request;
    request.mutable_query()->set_sql(sql);
    request.mutable_query()->set_mode(mode);
    return ask(request);
  }
};

TEST_F(LiveQueries, RowsOfNamedProcessesAreReadForIt) {
  const Reply reply = query("SELECT path FROM processes.open_files WHERE pid IN (7, 9)");
  EXPECT_EQ(reply.status(), pb::STATUS_OK) << reply.message();
  EXPECT_THAT(reply.rows, ElementsAre(ElementsAre("/file/7"), ElementsAre("/file/9")));
  EXPECT_THAT(live_read_, ElementsAre(7, 9));
  EXPECT_TRUE(reply.trailer->completeness().complete());
}

TEST_F(LiveQueries, WhatWasReadMayLeadToAnother) {
  const Reply reply = query(
      "SELECT b.path FROM processes.open_files a AUTO JOIN processes.open_files b ON b.pid = a.fd + 10 WHEN a.fd = 3 "
      "WHERE "
      "a.pid = '5'");
  EXPECT_EQ(reply.status(), pb::STATUS_OK) << reply.message();
  EXPECT_THAT(reply.rows, ElementsAre(ElementsAre("/file/13")));
  EXPECT_THAT(live_read_, ElementsAre(5, 13));
}

TEST_F(LiveQueries, WhenDecidesForWhomAnythingIsRead) {
  const Reply reply = query(
      "WITH p(pid) AS (VALUES (1), (2), (3)) SELECT f.path FROM p AUTO JOIN processes.open_files f ON f.pid = p.pid "
      "WHEN "
      "p.pid = 2");
  EXPECT_THAT(reply.rows, ElementsAre(ElementsAre("/file/2"))) << reply.message();
  EXPECT_THAT(live_read_, ElementsAre(2));
}

TEST_F(LiveQueries, OnlySoManyProcessesAreReadAndTheAnswerSaysSo) {
  const Reply reply = query("SELECT path FROM processes.open_files WHERE pid IN (1, 2, 3, 4)");
  EXPECT_THAT(live_read_, ElementsAre(1, 2, 3));
  ASSERT_EQ(reply.trailer->completeness().reasons_size(), 1);
  EXPECT_EQ(reply.trailer->completeness().reasons(0).reason(), "ResourceLimit");
}

TEST_F(LiveQueries, AFailureIsSaidAndNotAskedForAgain) {
  live_fails_ = "environments are not collected: set collect.environment";
  const Reply reply = query("SELECT value FROM processes.environments WHERE pid = 1");
  EXPECT_THAT(reply.rows, IsEmpty());
  EXPECT_THAT(live_read_, ElementsAre(1));
  ASSERT_EQ(reply.trailer->completeness().reasons_size(), 1);
  EXPECT_THAT(reply.trailer->completeness().reasons(0).detail(), HasSubstr("set collect.environment"));
}

TEST_F(LiveQueries, WhatIsCutIsSaid) {
  live_cut_ = "pid 1 has more than is told";
  const Reply reply = query("SELECT path FROM processes.open_files WHERE pid = 1");
  EXPECT_EQ(reply.rows.size(), 1U);
  ASSERT_EQ(reply.trailer->completeness().reasons_size(), 1);
  EXPECT_THAT(reply.trailer->completeness().reasons(0).detail(), HasSubstr("pid 1 has more than is told"));
}

TEST_F(LiveQueries, WithoutAPidItIsRefused) {
  const Reply reply = query("SELECT path FROM processes.open_files");
  EXPECT_EQ(reply.status(), pb::STATUS_REFUSED);
  EXPECT_THAT(reply.message(), HasSubstr("processes.open_files is read for the processes that are named: add pid ="));
  EXPECT_THAT(query("SELECT 1 FROM processes p AUTO JOIN scans s ON 1").message(),
              HasSubstr("AUTO JOIN is for tables that are read live"));
}

TEST_F(LiveQueries, OsquerysNamesLeadThere) {
  pb::ControlRequest request;
  request.mutable_query()->set_sql("SELECT path, fd FROM process_open_files WHERE pid = 4");
  request.mutable_query()->set_dialect(pb::DIALECT_OSQUERY);
  EXPECT_THAT(ask(request).rows, ElementsAre(ElementsAre("/file/4", "3")));
}

TEST_F(LiveQueries, ColumnsOnDemandAreCollectedFirst) {
  EXPECT_TRUE(query("SELECT pid, fd_count FROM processes WHERE name = 'x'").trailer->completeness().complete());
  ASSERT_EQ(collected_.size(), 1U);
  EXPECT_THAT(collected_.front().columns, ElementsAre("fd_count"));
  ASSERT_EQ(collected_.front().of.size(), 1U);
  EXPECT_EQ(collected_.front().of.front().size(), 1U);
  (void)query("SELECT pid, count(*) FROM processes");
  (void)query("SELECT max(fd_count) FROM processes.history WHERE collection_time_ms > 5");
  (void)query("SELECT fd_count FROM processes", pb::QUERY_EXPLAIN);
  EXPECT_EQ(collected_.size(), 1U) << "not for these";
  can_collect_ = false;
  const Reply reply = query("SELECT fd_count FROM processes");
  ASSERT_EQ(reply.trailer->completeness().reasons_size(), 1);
  EXPECT_THAT(reply.trailer->completeness().reasons(0).detail(), HasSubstr("did not come in time: fd_count"));
}

}  // namespace
}  // namespace de::serve
