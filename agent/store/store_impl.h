// The parts of the store and what they share; included by store.cpp, store_read.cpp and retention.cpp only.
//
// Thread: as store.h says per method.
#pragma once

#include <atomic>
#include <memory>

#include "store/alert_log.h"
#include "store/capture_log.h"
#include "store/day_set.h"
#include "store/directory.h"
#include "store/gap_log.h"
#include "store/scan_writer.h"
#include "store/state.h"
#include "store/store.h"

namespace de::store {

struct Store::Impl {
  Impl(StoreOptions given, const Clock& time, Directory dir)
      : options(std::move(given)),
        retention_days(options.retention_days),
        max_bytes(options.max_bytes),
        clock(time),
        directory(std::move(dir)),
        days(directory, options.day_map_bytes) {}

  // Where the store files a time: collectors are not believed when they claim to be from far away, because every day
  // is a directory.
  std::int64_t filed_ms(std::int64_t claimed_ms) const;
  std::int64_t oldest_kept_ms() const;  // Start of the first day that retention keeps.

  const StoreOptions options;
  std::atomic<std::uint32_t> retention_days;  // As in options, until keep() says otherwise.
  std::atomic<std::uint64_t> max_bytes;
  const Clock& clock;
  Directory directory;
  DaySet days;
  std::unique_ptr<State> state;
  std::unique_ptr<AlertLog> alerts;
  std::unique_ptr<GapLog> gaps;
  std::unique_ptr<CaptureLog> captures;
  Watermarks watermarks;
  ScanWriter scans;
  std::atomic<std::uint64_t> position = 0;  // Of the event that was committed last.
};

}  // namespace de::store
