// What all formats of JSON are written with. Text from processes leaves it valid, and with nothing in it that a
// terminal acts on.
//
// Thread: any; one object belongs to one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/base/clock.h"

namespace de::sink {

// As append_json_string(), with U+0080..U+009F escaped too: legal JSON as they are, but a terminal acts on them.
void append_json_text(std::string& out, std::string_view text);

// Appends an object to a text that outlives it. What a member holds that is no text or number is appended to key().
class JsonObject {
 public:
  explicit JsonObject(std::string& out) : out_(out) { out_ += '{'; }

  std::string& key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    append_json_text(out_, name);
    out_ += ':';
    return out_;
  }
  void text(std::string_view name, std::string_view value) { append_json_text(key(name), value); }
  void text_if(std::string_view name, std::string_view value) {
    if (!value.empty()) text(name, value);
  }
  template <class Int>
  void number(std::string_view name, Int value) {
    key(name) += std::to_string(value);
  }
  void truth(std::string_view name, bool value) { key(name) += value ? "true" : "false"; }
  void time(std::string_view name, std::int64_t unix_ms) { text(name, to_iso8601(unix_ms).text); }
  template <class Fill>
  void object(std::string_view name, const Fill& fill) {
    JsonObject inner(key(name));
    fill(inner);
    inner.close();
  }
  void close() { out_ += '}'; }

 private:
  std::string& out_;
  bool first_ = true;
};

template <class Items, class Append>
void append_json_array(std::string& out, const Items& items, const Append& append) {
  out += '[';
  bool first = true;
  for (const auto& item : items) {
    if (!first) out += ',';
    first = false;
    append(item);
  }
  out += ']';
}

template <class Items>
void append_json_texts(std::string& out, const Items& items) {
  append_json_array(out, items, [&out](const std::string& item) { append_json_text(out, item); });
}

}  // namespace de::sink
