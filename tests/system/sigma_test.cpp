// A rule in Sigma's format, from its file to the alert that names who wrote it.
#include <gtest/gtest.h>

#include <fstream>

#include "health_report.h"
#include "kernel_support.h"
#include "temp_dir.h"

namespace de::system_test {
namespace {

using namespace std::chrono_literals;

TEST(Sigma, AnImportedRuleRaisesAnAlertThatNamesItsAuthor) {
  test::TempDir dir;
  dir.write("planted.yml",
            "title: Planted\nid: 11111111-2222-3333-4444-555555555555\nauthor: Ann Author\nlevel: high\n"
            "logsource: {product: linux, category: process_creation}\ndetection:\n  sel:\n    CommandLine|contains: "
            "MARKED-*-HERE\n  filter:\n    ParentImage|endswith: /nobody\n  condition: sel and not filter\n");
  Host host;
  host.start_agent();
  host.start_procmond();
  ASSERT_TRUE(host.is_steady()) << host.log("agent") << host.log("procmond");
  const Ran imported = host.cli({"rules", "import", "--sigma", dir.path(), "--into", host.dir() + "/rules.d",
                                 "--source", "https://rules.example/"});
  ASSERT_EQ(imported.exit_code, 0) << imported.err;
  ASSERT_TRUE(eventually([&] { return contains(host.cli({"rules", "list"}).out, "sigma-11111111"); }));
  const auto raised = [&] {
    const Ran ran = run({"/bin/sh", "-c", "exit 0", "marked-by-us-here"});
    EXPECT_EQ(ran.exit_code, 0);
    return contains(test::read_text(host.dir() + "/alerts.jsonl"), "Ann Author");
  };
  if (!eventually(raised, 20s) && !test::bpf_must_work()) GTEST_SKIP() << "programs are not seen when they start here";
  const std::string alerts = test::read_text(host.dir() + "/alerts.jsonl");
  EXPECT_TRUE(contains(alerts,
                       "\"rule_author\":\"Ann Author\",\"rule_license\":\"DRL-1.1\",\"rule_source\":"
                       "\"https://rules.example/planted.yml\""))
      << alerts;
}

}  // namespace
}  // namespace de::system_test
