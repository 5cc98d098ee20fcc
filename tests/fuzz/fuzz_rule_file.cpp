// Any text as a rule file of both kinds: rules within their limits or an error that begins with the file's name.
#include <cstdint>
#include <string>

#include "daemoneye/base/clock.h"
#include "detect/rule_book.h"
#include "detect/runner.h"

namespace {

void try_as(std::string_view file, std::string_view text) {
  auto rules = de::detect::parse_rule_text(file, text);
  if (!rules) {
    if (!rules.error().what().starts_with(file)) __builtin_trap();
    return;
  }
  if (rules->size() > de::detect::kMaxRulesPerFile) __builtin_trap();
  static auto sessions = std::move(*de::detect::CheckSessions::create(de::system_clock()));
  for (std::size_t i = 0; i < rules->size() && i < 3; ++i) {
    de::detect::Rule& rule = (*rules)[i];
    if (rule.id.empty() || rule.sql.empty() || rule.priority < 1 || rule.priority > 10) __builtin_trap();
    (void)de::detect::check_rule(sessions, rule);
    for (const de::detect::RuleTest& test : rule.tests)
      if (const auto image = de::detect::test_image(test, 0); !image && image.error().code() == de::Errc::Io)
        __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try_as("r.yaml", text);
  try_as("r.sql", text);
  return 0;
}
