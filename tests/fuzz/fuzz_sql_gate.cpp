// Any text as a statement: it is answered or refused within its budget, and never changes what the next one sees.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemoneye/base/clock.h"
#include "mirror/row_image.h"
#include "mirror/session.h"

namespace {

using de::mirror::Session;
using de::mirror::Value;

constexpr de::mirror::Budget kBudget{200, 8UL << 20, 100, 64UL << 10};
// Sanitizers make one VM instruction some tens of times slower, and a busy machine stops us at any point.
constexpr std::int64_t kPatienceNs = 5'000'000'000;

Session& session() {
  static const auto kSession = [] {
    auto made = Session::create(de::mirror::Origin::AdHoc, de::system_clock());
    if (!made) std::abort();
    const std::vector<de::mirror::NamedRow> rows = {
        {{"pid", Value(std::int64_t{1})}, {"name", Value(std::string_view("init"))}},
        {{"pid", Value(std::int64_t{2})}, {"ppid", Value(std::int64_t{1})}, {"name", Value(std::string_view("sh"))}}};
    auto image = de::mirror::image_from_rows(rows, 1'000);
    if (!image || !(*made)->load(*image)) std::abort();
    return std::move(*made);
  }();
  return *kSession;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string sql(reinterpret_cast<const char*>(data), size);
  const std::int64_t start_ns = de::system_clock().steady_ns();
  std::uint64_t rows = 0;
  const auto outcome = session().run(
      sql, {}, kBudget, [](auto) {},
      [&](auto) {
        ++rows;
        return true;
      });
  if (de::system_clock().steady_ns() - start_ns > kPatienceNs) __builtin_trap();
  if (rows > kBudget.rows) __builtin_trap();
  if (outcome && !session().explain(sql) && session().explain(sql).error().code() == de::Errc::Io) __builtin_trap();
  const auto check = session().run(
      "SELECT count(*), max(name) FROM processes", {}, kBudget, [](auto) {},
      [](std::span<const Value> row) {
        if (row[0] != Value(std::int64_t{2}) || row[1] != Value(std::string_view("sh"))) __builtin_trap();
        return true;
      });
  if (!check) __builtin_trap();
  return 0;
}
