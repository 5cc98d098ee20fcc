// The current snapshot as an SQLite table, kept up to date by differences: a process that did not change costs a hash
// comparison, one whose metrics moved costs an UPDATE of the metric columns. Every finished scan becomes an Image.
//
// Thread: writer. The images may go to any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"
#include "mirror/image.h"

namespace de::mirror {

struct MirrorCounts {
  std::uint64_t inserted = 0;  // New pids.
  std::uint64_t replaced = 0;  // Static columns changed: another process, or one that changed its identity.
  std::uint64_t metrics = 0;   // Only metric columns moved.
  std::uint64_t unchanged = 0;
  std::uint64_t removed = 0;     // Not in the scan any more.
  std::uint64_t duplicates = 0;  // A pid reported twice in one scan; the later record wins.
};

class Mirror {
 public:
  // Errors: Io (SQLite cannot be set up), Exhausted.
  static Result<std::unique_ptr<Mirror>> create();
  ~Mirror();
  Mirror(const Mirror&) = delete;
  Mirror& operator=(const Mirror&) = delete;

  // Begin, one upsert per process, then finish: processes not upserted are gone. `bytes` is the record serialised, or
  // what it was parsed from. An error of any call abandons the scan by itself. Errors: Conflict (a scan is open
  // already, or none is), Exhausted (memory), Io.
  Result<> begin_scan(std::uint64_t scan_id, std::int64_t scan_time_ms);
  Result<> upsert(const pb::ProcessRecord& record, std::string_view bytes);
  Result<std::shared_ptr<const Image>> finish_scan();
  // Back to the state before begin_scan; nothing happens when no scan is open.
  void abandon_scan();

  // The latest finished image; the empty one before the first scan.
  std::shared_ptr<const Image> image() const;
  // Of the latest finished scan.
  const MirrorCounts& counts() const;
  std::uint64_t rows() const;

 private:
  class Impl;
  explicit Mirror(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// An image without rows, for sessions that start before the first scan.
Result<std::shared_ptr<const Image>> empty_image();
// The same snapshot beside these tables.
std::shared_ptr<const Image> with_foreign(const Image& image, std::shared_ptr<const ForeignTables> foreign);

}  // namespace de::mirror
