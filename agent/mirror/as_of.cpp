#include "mirror/as_of.h"

#include <sqlite3.h>

namespace de::mirror {
namespace {

constexpr const char* kVfsName = "de_time";
constexpr sqlite3_int64 kJulianOf1970Ms = 210'866'760'000'000;
constexpr double kDayMs = 86'400'000;

thread_local std::optional<std::int64_t> now_here_ms;

int current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* out) {
  auto* own = static_cast<sqlite3_vfs*>(vfs->pAppData);
  if (!now_here_ms) return own->xCurrentTimeInt64(own, out);
  *out = kJulianOf1970Ms + *now_here_ms;
  return SQLITE_OK;
}

int current_time_days(sqlite3_vfs* vfs, double* out) {
  sqlite3_int64 ms = 0;
  const int rc = current_time_ms(vfs, &ms);
  *out = static_cast<double>(ms) / kDayMs;
  return rc;
}

// Of the rest nothing is used: all databases are in memory.
const char* make() {
  static sqlite3_vfs with_time;
  sqlite3_vfs* own = sqlite3_vfs_find(nullptr);
  if (own == nullptr || own->iVersion < 2) return nullptr;
  with_time = *own;
  with_time.pNext = nullptr;
  with_time.zName = kVfsName;
  with_time.pAppData = own;
  with_time.xCurrentTime = &current_time_days;
  with_time.xCurrentTimeInt64 = &current_time_ms;
  return sqlite3_vfs_register(&with_time, 0) == SQLITE_OK ? kVfsName : nullptr;
}

}  // namespace

AsOf::AsOf(std::int64_t unix_ms) : outer_(now_here_ms) { now_here_ms = unix_ms; }
AsOf::~AsOf() { now_here_ms = outer_; }

std::optional<std::int64_t> as_of_ms() { return now_here_ms; }

const char* vfs_with_time() {
  static const char* const kName = make();
  return kName;
}

}  // namespace de::mirror
