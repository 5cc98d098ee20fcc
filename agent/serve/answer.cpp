#include "serve/answer.h"

namespace de::serve {

pb::Completeness complete() {
  pb::Completeness out;
  out.set_complete(true);
  return out;
}

pb::Value text_value(std::string_view text) {
  pb::Value value;
  value.set_text(std::string(text));
  return value;
}

pb::Value int_value(std::int64_t number) {
  pb::Value value;
  value.set_integer(number);
  return value;
}

pb::Value null_value() { return {}; }

pb::Row row_of(std::initializer_list<pb::Value> values) {
  pb::Row row;
  for (const pb::Value& value : values) *row.add_values() = value;
  return row;
}

Answer failure(const Error& error) {
  Answer answer(complete());
  const bool refused = error.code() == Errc::Invalid || error.code() == Errc::NotFound ||
                       error.code() == Errc::TooLarge || error.code() == Errc::Conflict;
  answer.trailer.set_status(error.code() == Errc::Denied ? pb::STATUS_DENIED
                            : refused                    ? pb::STATUS_REFUSED
                                                         : pb::STATUS_FAILED);
  answer.trailer.set_message(error.message());
  return answer;
}

}  // namespace de::serve
