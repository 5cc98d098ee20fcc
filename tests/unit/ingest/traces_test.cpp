// Traces as SQL shows them, and the descendants a trace begins with.
#include <gmock/gmock.h>

#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"
#include "ingest/descendants.h"
#include "ingest/stored_rows.h"
#include "intake_fixture.h"
#include "mirror/row_image.h"

namespace de::ingest {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string uid_of(std::uint32_t pid) { return std::string(12, 'u') + std::to_string(1'000 + pid); }

class TracesTest : public IntakeTest {
 protected:
  void capture(std::int64_t time_ms, std::uint32_t pid, const std::string& rule, std::vector<std::string> files) {
    pb::Capture out;
    out.set_trace_id("t");
    out.set_rule_id(rule);
    out.set_time_ms(time_ms);
    out.set_pid(pid);
    out.set_process_uid(schema::uid_text(uid_of(pid)));
    if (files.empty()) out.set_incomplete("the process had ended");
    for (const std::string& file : files) {
      pb::CapturedItem& item = *out.add_items();
      item.set_kind("open_file");
      item.set_value(file);
    }
    ASSERT_TRUE(store_->put_capture(out));
  }
  std::vector<std::string> ask(const std::string& sql, std::shared_ptr<const std::set<std::string>> of = nullptr) {
    const StoredRows stored(*store_);
    auto session = std::move(*mirror::Session::create(mirror::Origin::Rule, clock_, &stored));
    session->see_traces_of(std::move(of));
    std::vector<std::string> out;
    const auto ran = session->run(
        sql, {}, mirror::kRuleBudget, [](auto) {},
        [&](std::span<const mirror::Value> row) {
          const auto* text = std::get_if<std::string_view>(&row[0]);
          const auto* number = std::get_if<std::int64_t>(&row[0]);
          out.push_back(text != nullptr ? std::string(*text) : number != nullptr ? std::to_string(*number) : "NULL");
          return true;
        });
    if (!ran) out = {ran.error().what()};
    return out;
  }
  void fork(std::uint32_t pid, std::uint32_t parent, std::int64_t time_ms) {
    pb::EventBatch batch;
    pb::ProcessEvent& event = *batch.add_events();
    event.set_sequence(++sequence_);
    event.set_event_type(pb::EVENT_TYPE_START);
    event.set_event_time_ms(time_ms);
    event.mutable_process()->set_pid(pid);
    event.mutable_process()->set_ppid(parent);
    event.mutable_process()->set_process_uid(uid_of(pid));
    event.mutable_process()->set_parent_uid(uid_of(parent));
    ASSERT_TRUE(store_->append_events("procmond", "spool", batch));
  }

  std::uint64_t sequence_ = 0;
};

TEST_F(TracesTest, EverythingCapturedIsARow) {
  capture(kNoon, 5, "a", {"/etc/shadow", "/tmp/x"});
  capture(kNoon + 1'000, 6, "b", {});
  EXPECT_THAT(ask("SELECT value FROM traces ORDER BY value"), ElementsAre("NULL", "/etc/shadow", "/tmp/x"));
  EXPECT_THAT(ask("SELECT incomplete FROM traces WHERE pid = 6"), ElementsAre("the process had ended"));
  EXPECT_THAT(ask("SELECT value FROM traces WHERE rule_id = 'a' AND kind = 'open_file' AND value LIKE '/etc/%'"),
              ElementsAre("/etc/shadow"));
  EXPECT_THAT(ask("SELECT pid FROM traces WHERE time_ms > " + std::to_string(kNoon)), ElementsAre("6"));
  EXPECT_THAT(ask("SELECT count(*) FROM (SELECT * FROM traces WHERE pid = 5 OR rule_id = 'a')"), ElementsAre("2"))
      << "found twice, and one row each";
}

TEST_F(TracesTest, OfOtherRulesNothingIsSeenWhereThatIsTheLimit) {
  capture(kNoon, 5, "a", {"/x"});
  capture(kNoon, 6, "b", {"/y"});
  const auto only = std::make_shared<const std::set<std::string>>(std::set<std::string>{"b"});
  EXPECT_THAT(ask("SELECT value FROM traces", only), ElementsAre("/y"));
  EXPECT_THAT(ask("SELECT value FROM traces WHERE pid = 5", only), IsEmpty());
}

TEST_F(TracesTest, MoreThanAPageOfThem) {
  for (std::uint32_t i = 0; i < 300; ++i) capture(kNoon + i, i + 1, "a", {"/1", "/2", "/3"});
  EXPECT_THAT(ask("SELECT count(*) FROM traces"), ElementsAre("900"));
  EXPECT_THAT(ask("SELECT count(DISTINCT pid) FROM traces"), ElementsAre("300"));
}

TEST_F(TracesTest, DescendantsAreOfTheSnapshotAndOfWhatHappenedSince) {
  std::vector<mirror::NamedRow> rows;
  std::vector<std::string> uids(20);
  for (std::uint32_t pid = 0; pid < 20; ++pid) uids[pid] = schema::uid_text(uid_of(pid));
  const auto process = [&](std::uint32_t pid, std::uint32_t parent) {
    rows.push_back({{"pid", std::int64_t{pid}},
                    {"ppid", std::int64_t{1}},  // The parent may have ended since.
                    {"process_uid", std::string_view(uids[pid])},
                    {"parent_uid", std::string_view(uids[parent])}});
  };
  process(5, 1);
  process(6, 5);
  process(7, 6);
  process(8, 1);
  fork(9, 5, kNoon + 10);
  fork(10, 9, kNoon + 20);
  fork(11, 8, kNoon + 20);
  fork(12, 5, kNoon - 10);  // Before the snapshot, and not in it: it has ended.
  const StoredRows stored(*store_);
  auto session = std::move(*mirror::Session::create(mirror::Origin::Rule, clock_, &stored));
  ASSERT_TRUE(session->load(*mirror::image_from_rows(rows, kNoon)));
  const auto found = find_descendants(*session, 5, uid_of(5), 100);
  ASSERT_TRUE(found) << found.error().message();
  std::vector<std::uint32_t> pids;
  for (const Descendant& one : *found) {
    pids.push_back(one.pid);
    EXPECT_EQ(one.process_uid, uid_of(one.pid));
  }
  EXPECT_THAT(pids, UnorderedElementsAre(6, 7, 9, 10));
  EXPECT_EQ(find_descendants(*session, 5, uid_of(5), 2)->size(), 2U);
}

}  // namespace
}  // namespace de::ingest
