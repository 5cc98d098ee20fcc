// The books of one snapshot, from the list of processes to the table that rules see. Every number is counted by other
// code than the code that moves the records, so that a record that gets lost between two stages is missed by the next.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemoneye/broker.pb.h"
#include "daemoneye/control.pb.h"

namespace de::ingest {

struct ScanBooks {
  std::uint64_t received = 0;   // Counted when the message arrived.
  std::uint64_t stored = 0;     // Taken by the store.
  std::uint64_t rejected = 0;   // Refused by it.
  std::uint64_t in_store = 0;   // Read back from what was committed.
  std::uint64_t in_mirror = 0;  // Asked of the table, and those whose pid came twice.
};

// How many records are missing behind each stage.
struct ScanLosses {
  std::uint64_t collect = 0;  // Listed, but neither reported nor gone.
  std::uint64_t uplink = 0;   // Reported, but not arrived.
  std::uint64_t ingest = 0;   // Arrived, but neither taken nor refused.
  std::uint64_t store = 0;
  std::uint64_t mirror = 0;

  ScanLosses& operator+=(const ScanLosses& other);
  std::uint64_t total() const { return collect + uplink + ingest + store + mirror; }
  std::string to_text() const;  // "collect 0, uplink 0, ..."
};

// A number that is too large is as wrong as one that is too small.
ScanLosses losses_of(const pb::ScanSummary& summary, const ScanBooks& books);

// Why the snapshot is not complete; empty when its books balance.
std::vector<pb::Reason> reasons_of(const std::string& collector, const pb::ScanSummary& summary,
                                   const ScanBooks& books);

}  // namespace de::ingest
