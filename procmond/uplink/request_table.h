// The complete list of what the agent may say to the privileged process.
//
// A message that is not in this table does not exist. Review any change here as a change to the attack surface.
//
// Thread: any (immutable).
#pragma once

#include <cstdint>
#include <span>

#include "uplink/session.h"

namespace de::uplink {

struct RequestRule {
  pb::Envelope::MessageCase message;
  unsigned phases;           // Bitmask of Phase: when it is legal.
  std::uint32_t per_second;  // More than this ends the session.
  Result<> (Session::*answer)(const pb::Envelope&);
};

std::span<const RequestRule> request_table();

}  // namespace de::uplink
