// What a request is answered with: columns, rows and a trailer. An answer cannot be made without saying how complete
// it is.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "serve/reply_rows.h"

namespace de::serve {

struct Answer {
  // `file_dir`: see ReplyRows.
  explicit Answer(pb::Completeness completeness, std::string file_dir = {}) : rows(std::move(file_dir)) {
    *trailer.mutable_completeness() = std::move(completeness);
  }

  std::vector<std::string> columns;
  ReplyRows rows;
  pb::Trailer trailer;
};

// What is not a view of collected data (rules, schema, a refusal) lacks nothing.
pb::Completeness complete();

pb::Value text_value(std::string_view text);
pb::Value int_value(std::int64_t number);
pb::Value null_value();
pb::Row row_of(std::initializer_list<pb::Value> values);

// An answer that only says what went wrong: Invalid and NotFound are the request's fault, Denied the peer's.
Answer failure(const Error& error);

}  // namespace de::serve
