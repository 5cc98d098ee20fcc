#include "daemoneye/schema/rule_text.h"

#include "daemoneye/base/text.h"

namespace de {
namespace {

Result<std::string> quoted(std::string_view key, std::string_view value, std::size_t max_bytes) {
  std::string out = json_string(value);
  if (out.size() > max_bytes)
    return fail(Errc::TooLarge, std::string(key) + " is longer than the " + std::to_string(max_bytes) +
                                    " bytes that a rule may have for it");
  return out;
}

}  // namespace

Result<> add_rule_line(std::string& yaml, std::string_view key, std::string_view value, std::size_t max_bytes) {
  if (value.empty()) return {};
  DE_TRY(text, quoted(key, value, max_bytes));
  yaml += std::string(key) + ": " + text + "\n";
  return {};
}

Result<> add_rule_list(std::string& yaml, std::string_view key, std::span<const std::string> items) {
  std::string list;
  std::size_t count = 0;
  for (const std::string& item : items) {
    if (item.empty()) continue;
    if (++count > kMaxRuleListItems)
      return fail(Errc::TooLarge, "there are more " + std::string(key) + " than the " +
                                      std::to_string(kMaxRuleListItems) + " of a rule");
    DE_TRY(text, quoted("an item of " + std::string(key), item, kMaxRuleLineBytes));
    list += (list.empty() ? "" : ", ") + text;
  }
  if (!list.empty()) yaml += std::string(key) + ": [" + list + "]\n";
  return {};
}

}  // namespace de
