// Writes into one day: events with their watermark, and scans that are there completely or not at all.
//
// Thread: writer.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/day.h"
#include "store/dictionary.h"
#include "store/event_writer.h"
#include "store/scan_codec.h"

namespace de::store {

struct StagedLife {
  std::string value;
  IndexEntries index;
};

// Everything of one scan but its numbers. Life n gets the number first_seq + n.
struct StagedScan {
  std::uint64_t scan_ms = 0;
  std::uint64_t first_seq = 0;
  std::vector<StagedLife> lives;
  std::vector<std::string> blocks;  // Sealed.
  std::string blob;                 // Sealed.
  ScanHeader header;                // blob_seq and block_seq are filled in.
};

class DayWriter {
 public:
  // Clears away what a scan that was cut off by a crash left behind.
  static Result<std::unique_ptr<DayWriter>> open(Day& day);

  Dictionary& dictionary() { return dictionary_; }
  RecordEncoder& encoder() { return encoder_; }
  std::uint64_t next_seq() const { return counts_.next_seq; }

  // The key of the stored header. On failure nothing of the scan is visible, now or after a restart.
  Result<TimeKey> write_scan(StagedScan& scan);
  // `events` are at most kRowsPerCommit; one transaction together with the watermark. The first gets `position`.
  Result<> write_events(std::string_view collector, std::string_view mark, std::span<const FiledEvent> events,
                        std::uint64_t watermark, std::uint64_t position);

 private:
  explicit DayWriter(Day& day) : day_(day), dictionary_(1), events_(day) {}
  void count_commit();
  Result<> clear_pending();
  Result<bool> clear_some(const TimeKey& from);
  Result<> put_dictionary(Txn& txn);
  Result<> put_counts(Txn& txn, const DayCounts& counts);
  Result<> write_early_lives(const StagedScan& scan, std::size_t& written);
  Result<> put_lives(Txn& txn, const StagedScan& scan, std::size_t from, std::size_t to);
  Result<TimeKey> write_last_part(StagedScan& scan, std::size_t lives_written);

  Day& day_;
  DayCounts counts_;
  Dictionary dictionary_;
  RecordEncoder encoder_;
  EventWriter events_;
  unsigned commits_ = 0;
  bool pending_ = false;  // A marker is, or may be, on disk.
};

}  // namespace de::store
