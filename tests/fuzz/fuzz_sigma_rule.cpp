// Any text as Sigma documents: a rule of ours that says what was converted and nothing else, or an error with its
// place.
#include <cstdint>
#include <string>

#include "detect/rule.h"
#include "sigma/documents.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const de::sigma::ConvertOptions options{.placeholders = {{"admins", {"alice", "bob"}}}, .source = "here"};
  de::sigma::Documents documents;
  if (const auto places = documents.add("r.yml", text))
    for (const std::size_t place : *places) {
      if (documents.kind_of(place) == de::sigma::DocumentKind::Filter) {
        (void)documents.applies_to(place);
        continue;
      }
      const auto one = documents.convert(place, options);
      if (one ? !de::detect::parse_rule_text("r.yaml", one->yaml) : !one.error().what().starts_with("r.yml"))
        __builtin_trap();
    }
  const auto made = de::sigma::convert("r.yml", text, options);
  if (!made) {
    if (!made.error().what().starts_with("r.yml")) __builtin_trap();
    return 0;
  }
  const auto rules = de::detect::parse_rule_text("r.yaml", made->yaml);
  if (!rules) __builtin_trap();
  const de::detect::Rule& rule = rules->front();
  if (rules->size() != 1 || rule.id != made->id || rule.sql != made->sql + "\n" || rule.source != "here")
    __builtin_trap();
  return 0;
}
