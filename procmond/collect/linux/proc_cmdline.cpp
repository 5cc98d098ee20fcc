#include "collect/linux/proc_cmdline.h"

#include <algorithm>

namespace de::collect {

std::vector<std::string_view> split_arguments(std::string_view text, std::size_t max_count) {
  // One NUL ends the last argument; an argument list like {"grep", ""} legitimately ends in two. More than two are
  // what setproctitle() leaves behind.
  const std::size_t last = text.find_last_not_of('\0');
  if (last == text.npos) {
    text = text.substr(0, std::min<std::size_t>(text.size(), 1));
  } else if (text.size() - last - 1 > 2) {
    text = text.substr(0, last + 2);
  }

  std::vector<std::string_view> pieces;
  while (!text.empty() && pieces.size() < max_count) {
    const std::size_t end = std::min(text.find('\0'), text.size());
    pieces.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return pieces;
}

}  // namespace de::collect
