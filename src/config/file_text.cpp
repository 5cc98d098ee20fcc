#include "daemoneye/config/file_text.h"

#include "daemoneye/base/text.h"
#include "layers.h"

namespace de::config {
std::vector<std::string> mistakes_in(std::string_view file_name, std::string_view text) {
  std::vector<std::string> mistakes;
  Layers layers(kEveryProgram, false);
  const auto applied = layers.apply_source(file_name, text, Origin::ExplicitFile, &mistakes);
  if (!applied) mistakes.push_back(applied.error().message());
  if (mistakes.size() > kMaxMistakes) {
    mistakes.resize(kMaxMistakes);
    mistakes.push_back(escape_controls(file_name) + ": more mistakes than are listed; correct these first");
  }
  return mistakes;
}

Result<std::vector<Setting>> settings_in(std::string_view file_name, std::string_view text) {
  Layers layers(kEveryProgram, false);
  DE_CHECK(layers.apply_source(file_name, text, Origin::ExplicitFile, nullptr));
  return layers.settings();
}

Result<std::string> value_for_file(const std::string& key, const std::string& typed, Syntax syntax) {
  Layers layers(kEveryProgram, false);
  DE_CHECK(layers.apply_flags({{key, typed}}));
  std::string value = show(find_key(key)->slot(layers.values()));
  if (syntax == Syntax::Yaml) return value;
  if (value == "null" && syntax == Syntax::Toml)
    return fail(Errc::Unsupported, "TOML has no word for nothing: remove the line with " + key + " instead");
  if (value.starts_with("[{"))
    return fail(Errc::Unsupported, key + " is a list of entries, which is edited by hand in this file");
  const bool is_word = value[0] >= 'a' && value[0] <= 'z' && value != "true" && value != "false" && value != "null";
  return is_word ? json_string(value) : value;
}

}  // namespace de::config
