#include "console/local_rows.h"

#include <string>

namespace de::console {
namespace {
constexpr int kRowsPerPage = 256;
}  // namespace

pb::Value text_value(std::string_view text) {
  pb::Value value;
  value.set_text(std::string(text));
  return value;
}

pb::Value number_value(std::uint64_t number) {
  pb::Value value;
  value.set_integer(static_cast<std::int64_t>(number));
  return value;
}

void present(Answer& answer, std::span<const std::string_view> names, const std::vector<pb::Row>& rows) {
  pb::ControlReply reply;
  for (const std::string_view name : names) reply.mutable_header()->add_columns(std::string(name));
  auto taken = answer.take(reply);
  for (std::size_t i = 0; taken && i < rows.size();) {
    pb::RowPage& page = *reply.mutable_page();
    page.clear_rows();
    for (int n = 0; n < kRowsPerPage && i < rows.size(); ++n) *page.add_rows() = rows[i++];
    taken = answer.take(reply);
  }
  pb::Trailer trailer;
  trailer.mutable_completeness()->set_complete(true);
  (void)answer.end(trailer);
}

}  // namespace de::console
