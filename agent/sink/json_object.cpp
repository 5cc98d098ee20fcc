#include "sink/json_object.h"

#include "daemoneye/base/text.h"

namespace de::sink {

void append_json_text(std::string& out, std::string_view text) {
  const std::size_t begin = out.size();
  append_json_string(out, text);
  for (std::size_t at = out.find('\xC2', begin); at != std::string::npos; at = out.find('\xC2', at + 1)) {
    if (at + 1 >= out.size() || static_cast<unsigned char>(out[at + 1]) >= 0xA0) continue;
    out.replace(at, 2, "\\u00" + to_hex({&out[at + 1], 1}));
  }
}

}  // namespace de::sink
