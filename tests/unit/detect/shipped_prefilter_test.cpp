// The rules that are shipped, over the rows of their own tests as events: running a rule only where its literals are
// changes no answer.
#include <gtest/gtest.h>

#include <map>
#include <optional>

#include "daemoneye/base/clock.h"
#include "daemoneye/process.pb.h"
#include "detect/rule_book.h"
#include "mirror/batch_session.h"

namespace de::detect {
namespace {

constexpr std::size_t kRowsAtOnce = 50;

using Setter = void (*)(pb::ProcessRecord&, const std::string&);
const std::map<std::string, Setter>& text_setters() {
  static const std::map<std::string, Setter> setters = {
      {"name", [](pb::ProcessRecord& p, const std::string& v) { p.set_name(v); }},
      {"executable_path", [](pb::ProcessRecord& p, const std::string& v) { p.set_executable_path(v); }},
      {"command_line", [](pb::ProcessRecord& p, const std::string& v) { p.add_command_line(v); }},
      {"cwd", [](pb::ProcessRecord& p, const std::string& v) { p.set_cwd(v); }},
      {"user_name", [](pb::ProcessRecord& p, const std::string& v) { p.set_user_name(v); }},
      {"tty", [](pb::ProcessRecord& p, const std::string& v) { p.set_tty(v); }},
      {"container_id", [](pb::ProcessRecord& p, const std::string& v) { p.set_container_id(v); }},
      {"script_path", [](pb::ProcessRecord& p, const std::string& v) { p.set_script_path(v); }},
  };
  return setters;
}

pb::ProcessEvent event_of(const TestRow& row) {
  pb::ProcessEvent out;
  out.set_event_type(pb::EVENT_TYPE_EXEC);
  pb::ProcessRecord& process = *out.mutable_process();
  process.set_kernel_thread(false);
  for (const auto& [column, value] : row) {
    const auto setter = text_setters().find(column);
    if (const auto* text = std::get_if<std::string>(&value); text != nullptr && setter != text_setters().end())
      setter->second(process, *text);
    const auto* number = std::get_if<std::int64_t>(&value);
    if (number == nullptr) continue;
    if (column == "pid") process.set_pid(static_cast<std::uint32_t>(*number));
    if (column == "uid") process.set_user_id(std::to_string(*number));
    if (column == "euid") process.set_euid(static_cast<std::uint32_t>(*number));
  }
  return out;
}

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

TEST(ShippedPrefilter, MatchTheSameWithThePrefilter) {
  const auto book = RuleBook::open({std::string(DE_SOURCE_DIR) + "/packaging/rules"}, system_clock());
  ASSERT_TRUE(book);
  const auto with = std::move(*mirror::BatchSession::create(system_clock(), {}));
  const auto without = std::move(*mirror::BatchSession::create(system_clock(), {.prefilter = false}));
  std::vector<std::string> ids;
  std::vector<pb::ProcessEvent> events;
  for (const auto& rule : (*book)->snapshot()->rules) {
    for (const RuleTest& test : rule->tests)
      for (const TestRow& row : test.rows) events.push_back(event_of(row));
    if (!rule->runs_on_event()) continue;
    ASSERT_TRUE(with->add(rule->sql) && without->add(rule->sql)) << rule->id;
    ids.push_back(rule->id);
  }
  EXPECT_LT(with->prefilter_size().always, ids.size() / 5) << "too many have no literals";
  std::size_t matched = 0;
  for (std::size_t first = 0; first < events.size(); first += kRowsAtOnce) {
    std::vector<mirror::EventRow> rows;
    for (std::size_t i = first; i < std::min(first + kRowsAtOnce, events.size()); ++i)
      rows.push_back({"procmond", &events[i]});
    with->load(rows);
    without->load(rows);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto wanted = matches(*without, i);
      EXPECT_EQ(matches(*with, i), wanted) << ids[i];
      matched += wanted.size();
    }
  }
  EXPECT_GT(matched, 80U);
}

}  // namespace
}  // namespace de::detect
