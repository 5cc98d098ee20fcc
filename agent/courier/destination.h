// Where a courier takes parcels: a webhook, a syslog server, a socket of this host.
//
// Thread: one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemoneye/base/result.h"
#include "parcel/parcel.h"

namespace de::courier {

// What a destination has to reach once it is confined; what else it needs it has opened before.
struct Needs {
  bool network = true;                     // Otherwise it has its one socket already.
  bool memory_files = false;               // Makes files without a name, to hand them over.
  std::vector<std::uint16_t> tcp_ports{};  // To connect to.
  std::string ca_file{};                   // To read.
};

class Destination {
 public:
  virtual ~Destination() = default;
  virtual Needs needs() const = 0;
  // Success: it has arrived, as far as whoever takes it lets one know. After a failure nothing is given any more.
  virtual Result<> deliver(const parcel::Parcel& parcel) = 0;
};

}  // namespace de::courier
