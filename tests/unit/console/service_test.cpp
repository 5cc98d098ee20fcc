// `service` before it runs anything; what it does is tried by packaging/check_service where systemd runs.
#include "run_fixture.h"

namespace de::console {
namespace {

using Service = Run;

TEST_F(Service, IsAboutTheInstalledInstanceOnly) {
  const Outcome outcome = run_with({"service", "status"});
  EXPECT_EQ(outcome.code, ExitCode::Usage);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("leave out --state-dir"), std::string::npos) << outcome.err;
}

TEST_F(Service, SaysWhatToDoWhereSystemdDoesNotRun) {
  if (::access("/run/systemd/system", F_OK) == 0) GTEST_SKIP() << "systemd runs here";
  for (const char* action : {"install", "uninstall", "start", "stop", "status", "logs"}) {
    const Outcome outcome = run_plain({"service", action});
    EXPECT_EQ(outcome.code, ExitCode::Failed) << action;
    EXPECT_NE(outcome.err.find("systemd does not run on this host: start "), std::string::npos) << outcome.err;
  }
}

TEST_F(Service, NamesWhatItCanDo) {
  const Outcome outcome = run_plain({"service"});
  EXPECT_EQ(outcome.code, ExitCode::Usage);
  EXPECT_NE(outcome.err.find("install, uninstall, start, stop, status, logs"), std::string::npos) << outcome.err;
  EXPECT_EQ(run_plain({"service", "restart"}).code, ExitCode::Usage);
  EXPECT_EQ(run_plain({"service", "logs", "--lines", "-1"}).code, ExitCode::Usage);
}

}  // namespace
}  // namespace de::console
