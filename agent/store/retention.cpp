// Which days go, and the reserve for a full disk.
#include <algorithm>

#include "store/store_impl.h"

namespace de::store {

Result<std::vector<RemovedDay>> Store::enforce_retention() {
  std::vector<RemovedDay> removed;
  const std::string oldest_kept = day_name(impl_->oldest_kept_ms());
  const std::string today = day_name(std::max<std::int64_t>(impl_->clock.unix_ms(), 0));
  std::uint64_t total = disk_bytes_below(impl_->directory.path());
  for (const DaySet::Removable& entry : impl_->days.removable()) {
    const bool old = entry.day < oldest_kept;
    const bool over = total > impl_->max_bytes;
    if (!old && (!over || entry.day >= today)) break;  // Oldest first: nothing after this one is older.
    for (const std::shared_ptr<Day>& day : impl_->days.all()) {
      if (day->name() != entry.directory) continue;
      // The day's watermarks stay: a collector that comes back must not have its events stored a second time.
      auto marks = day->marks();
      if (marks) {
        DE_CHECK(impl_->gaps->keep(*marks));
      } else if (marks.error().code() != Errc::Corrupt) {
        return fail(std::move(marks).error().during("retention"));
      }
    }
    impl_->scans.forget(entry.directory);
    if (auto gone = impl_->days.remove(entry); !gone) return fail(std::move(gone).error().during("retention"));
    total -= std::min(total, entry.bytes);
    removed.push_back({entry.day, entry.bytes,
                       old ? "older than " + std::to_string(impl_->retention_days) + " days"
                           : "store over " + std::to_string(impl_->max_bytes) + " bytes"});
  }
  DE_CHECK(impl_->gaps->prune(impl_->oldest_kept_ms()));
  DE_CHECK(impl_->captures->prune(impl_->oldest_kept_ms()));
  if (!impl_->directory.holds_reserve())
    (void)impl_->directory.take_reserve();  // Still no room: the next round tries again, stats() shows it.
  return removed;
}

void Store::keep(std::uint32_t retention_days, std::uint64_t max_bytes) {
  impl_->retention_days = retention_days;
  impl_->max_bytes = max_bytes;
}

Result<> Store::release_reserve() { return impl_->directory.release_reserve(); }

}  // namespace de::store
