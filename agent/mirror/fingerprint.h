// Two hashes of a process record that tell whether its row in the mirror is still right: one of what stays, one of what
// moves with every scan. Most records of a scan are as they were, so this is most of what a scan costs.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemoneye/crypto/siphash.h"

namespace de::mirror {

struct Fingerprint {
  std::uint64_t fixed = 0;   // Of the fields behind the columns of Change::Static, and of fields nobody knows.
  std::uint64_t moving = 0;  // Of those behind Change::Metric.

  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

class Fingerprinter {
 public:
  // `record` is a serialised ProcessRecord.
  Fingerprint operator()(std::string_view record);

 private:
  crypto::SipHash hash_;
  std::string fixed_, moving_;  // Reused.
};

}  // namespace de::mirror
