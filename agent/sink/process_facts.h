// The process that an alert is about, as the row that matched tells it: what the formats of others have fields for.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "daemoneye/alert.pb.h"

namespace de::sink {

// A time that can be printed with a year: others come as the nearest that can.
std::int64_t printable_ms(std::int64_t unix_ms);

struct ProcessFacts {
  bool is_known = false;  // Otherwise the row is of something else, and everything below is empty.
  std::string uid;
  std::optional<std::int64_t> pid;  // 0 or more, and below 2^31.
  std::optional<std::int64_t> start_ms;
  std::string name;
  std::string executable_path;
  std::string command_line;
  std::string cwd;
  std::string sha256;  // 64 digits, or none.
  std::string user_id;
  std::string user_name;
  std::string container_id;
  std::string container_runtime;
};

ProcessFacts process_facts(const pb::Alert& alert);

// Of an ancestor; empty when it has none.
std::string uid_of(const pb::Ancestor& ancestor);

// A value without any quotes; a blob in hexadecimal; nothing for NULL.
std::string plain_text(const pb::Value& value);

// Behind the last '/' of a path, and before it: "/usr/bin/sh" is "sh" in "/usr/bin".
std::string_view file_name(std::string_view path);
std::string_view directory_of(std::string_view path);

}  // namespace de::sink
