// One record lost on purpose behind each stage: exactly one is missed, and the right stage is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "daemons.h"
#include "health_report.h"

namespace de::system_test {
namespace {

// Set for the daemons this test starts.
class Fault {
 public:
  Fault(const std::string& stage, std::size_t after) {
    ::setenv("DE_FAULT", (stage + ":" + std::to_string(after)).c_str(), 1);
  }
  ~Fault() { ::unsetenv("DE_FAULT"); }
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
};

std::size_t count_processes() {
  const std::string listed = run({program("procmond"), "--once"}).out;
  return static_cast<std::size_t>(std::count(listed.begin(), listed.end(), '\n'));
}

std::string expected_losses(const std::string& stage) {
  std::string text;
  for (const char* name : {"collect", "uplink", "ingest", "store", "mirror"})
    text += (text.empty() ? "" : ", ") + std::string(name) + (name == stage ? " 1" : " 0");
  return text;
}

std::uint64_t scans(Host& host) { return read_health(host).number("ingest.scans", "committed").value_or(0); }

bool wait_for_scans(Host& host, std::uint64_t more) {
  const std::uint64_t wanted = scans(host) + more;
  return eventually([&] { return scans(host) >= wanted; });
}

class Loss : public testing::Test {
 protected:
  void start() {
    host.start_agent();
    host.start_procmond();
    ASSERT_TRUE(eventually([this] { return is_running_steadily(host); })) << logs_of(host);
  }
  Host host;
};

class LossOfARecord : public Loss, public testing::WithParamInterface<const char*> {};

TEST_P(LossOfARecord, IsMissedByTheNextStage) {
  // In the third snapshot or so: the first may be taken before the agent is there.
  const Fault fault(GetParam(), count_processes() * 5 / 2);
  start();
  ASSERT_TRUE(eventually([&] { return read_health(host).detail("ingest.lost") != expected_losses("none"); }))
      << read_health(host).text;
  // It was one record, and no later scan adds to it.
  ASSERT_TRUE(wait_for_scans(host, 3));
  EXPECT_EQ(read_health(host).detail("ingest.lost"), expected_losses(GetParam())) << read_health(host).text;
  EXPECT_EQ(read_health(host).status("ingest.lost"), "degraded");
}

INSTANTIATE_TEST_SUITE_P(Stages, LossOfARecord, testing::Values("collect", "uplink", "ingest", "store", "mirror"),
                         [](const auto& stage) { return std::string(stage.param); });

TEST_F(Loss, OfAnEventInTheSpoolIsOneLostEvent) {
  const Fault fault("spool", 3);
  start();
  // Its number is missed when a later one arrives.
  int started = 0;
  ASSERT_TRUE(eventually([&] {
    host.run_from_tmp("short" + std::to_string(started++));
    return !read_health(host).detail("ingest.events").ends_with("lost in gaps 0");
  })) << read_health(host).text;
  ASSERT_TRUE(wait_for_scans(host, 3));
  EXPECT_TRUE(read_health(host).detail("ingest.events").ends_with("lost in gaps 1"))
      << read_health(host).detail("ingest.events");
}

TEST_F(Loss, WithoutAFaultNothingIsMissed) {
  start();
  ASSERT_TRUE(wait_for_scans(host, 5));
  EXPECT_EQ(read_health(host).detail("ingest.lost"), expected_losses("none"));
  EXPECT_EQ(read_health(host).status("ingest.lost"), "ok");
}

}  // namespace
}  // namespace de::system_test
