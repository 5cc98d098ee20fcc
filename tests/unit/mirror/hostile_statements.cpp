#include "mirror/hostile_statements.h"

namespace de::hostile {

std::string times(int count, std::string_view what) {
  std::string out;
  for (int i = 0; i < count; ++i) out += what;
  return out;
}

std::string put(std::string_view place, std::string_view what) {
  std::string out;
  for (std::size_t from = 0;;) {
    const std::size_t at = place.find("{}", from);
    out += place.substr(from, at - from);
    if (at == std::string_view::npos) return out;
    out += what;
    from = at + 2;
  }
}

const std::vector<Statement>& statements() {
  static const std::vector<Statement> all = [] {
    std::vector<Statement> out;
    add_refused(out);
    add_endless(out);
    add_heavy(out);
    return out;
  }();
  return all;
}

}  // namespace de::hostile
