// Real rules over real events: running a rule only where its literals are changes no answer. The rules that are shipped
// and published ones, converted; the events of the corpora beside the repository, where they are.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "daemoneye/config/yaml_tree.h"
#include "daemoneye/process.pb.h"
#include "detect/rule_book.h"
#include "mirror/batch_session.h"
#include "sigma_case.h"

namespace de::sigma {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBatch = 50;
const fs::path kCorpora = fs::path(DE_SOURCE_DIR) / ".." / "shared" / "corpora";

std::string contents_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A process that was executed, from Sigma's fields; those we have no column for go where an import puts them.
pb::ProcessEvent event_of(const config::Node& fields) {
  pb::ProcessEvent out;
  out.set_event_type(pb::EVENT_TYPE_EXEC);
  pb::ProcessRecord& process = *out.mutable_process();
  process.set_pid(7);
  std::string more;
  for (const auto& [key, value] : fields.entries) {
    if (!value.is_scalar() || key.text.starts_with('_')) continue;
    if (key.text == "Image") {
      process.set_executable_path(value.text);
      process.set_name(value.text.substr(value.text.find_last_of("/\\") + 1, 15));
    } else if (key.text == "CommandLine") {
      process.add_command_line(value.text);
    } else if (key.text == "ParentImage") {
      out.set_parent_executable_path(value.text);
    } else if (key.text == "ParentCommandLine") {
      out.set_parent_command_line(value.text);
    } else if (key.text == "User") {
      process.set_user_name(value.text);
    } else if (key.text == "CurrentDirectory") {
      process.set_cwd(value.text);
    } else {
      more += (more.empty() ? "" : ", ") + json_string(key.text) + ": " + json_string(value.text);
    }
  }
  if (!more.empty()) process.set_platform_data("{" + more + "}");
  return out;
}

void read_events(const fs::path& path, std::size_t every, std::vector<pb::ProcessEvent>& out) {
  std::ifstream file(path);
  std::size_t number = 0;
  for (std::string line; std::getline(file, line);) {
    if (number++ % every != 0) continue;
    const auto tree = config::parse_yaml("event", line);
    ASSERT_TRUE(tree) << tree.error().message();
    const config::Node* nested = tree->find("event");
    out.push_back(event_of(nested == nullptr ? *tree : *nested));
  }
}

std::vector<std::string> statements() {
  std::vector<std::string> out;
  const auto book = detect::RuleBook::open({std::string(DE_SOURCE_DIR) + "/packaging/rules"}, system_clock());
  EXPECT_TRUE(book);
  for (const auto& rule : (*book)->snapshot()->rules)
    if (rule->runs_on_event()) out.push_back(rule->sql);
  EXPECT_GT(out.size(), 40U);
  for (const auto& entry : fs::recursive_directory_iterator(kCorpora / "sigma" / "rules")) {
    if (entry.path().extension() != ".yml") continue;
    const auto made = convert(entry.path().filename().string(), contents_of(entry.path()), {});
    if (made && made->is_served) out.push_back(made->sql);
  }
  return out;
}

// The events that the statement has rows about.
std::vector<std::size_t> matches(mirror::BatchSession& session, std::size_t number) {
  std::vector<std::size_t> out;
  const auto outcome = session.run(
      number, mirror::kRuleBudget, [](auto) {},
      [&](auto, std::size_t event) {
        out.push_back(event);
        return true;
      });
  EXPECT_TRUE(outcome) << outcome.error().message();
  return out;
}

TEST(SigmaPrefilter, PublishedRulesMatchTheSameEvents) {
  if (!fs::exists(kCorpora / "sigma" / "rules")) GTEST_SKIP() << "there are no corpora beside the repository";
  std::vector<pb::ProcessEvent> events;
  read_events(kCorpora / "truth" / "generated_vectors.jsonl", 1, events);
  for (const auto& entry : fs::directory_iterator(kCorpora / "events"))
    if (entry.path().filename().string().ends_with("process.jsonl")) read_events(entry.path(), 3, events);
  const std::vector<std::string> all = statements();
  ASSERT_GT(all.size(), 150U);
  const auto with = std::move(*mirror::BatchSession::create(system_clock(), {}));
  const auto without = std::move(*mirror::BatchSession::create(system_clock(), {.prefilter = false}));
  for (const std::string& sql : all) ASSERT_TRUE(with->add(sql) && without->add(sql)) << sql;
  std::size_t matched = 0, asked = 0, spared = 0;
  for (std::size_t first = 0; first < events.size(); first += kBatch) {
    std::vector<mirror::EventRow> rows;
    for (std::size_t i = first; i < std::min(first + kBatch, events.size()); ++i)
      rows.push_back({"procmond", &events[i]});
    with->load(rows);
    without->load(rows);
    for (std::size_t i = 0; i < all.size(); ++i) {
      const auto wanted = matches(*without, i);
      EXPECT_EQ(matches(*with, i), wanted) << all[i] << "\nfrom event " << first;
      matched += wanted.size();
      ++(with->events_for(i) > 0 ? asked : spared);
    }
  }
  EXPECT_GT(matched, 500U);
  EXPECT_GT(spared, asked);
  EXPECT_LT(with->prefilter_size().always, all.size() / 10) << "too many have no literals";
}

}  // namespace
}  // namespace de::sigma
