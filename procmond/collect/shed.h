// What is left out under pressure, in this order and never a process: how far it has come, and how a record says so.
//
// Thread: any (pure functions).
#pragma once

#include <cstdint>

#include "daemoneye/process.pb.h"

namespace de::collect {

// Each with all before it.
enum class Shedding : std::uint8_t { Nothing, Environment, Hashes, Arguments };

const char* to_text(Shedding level);

// Says it once, however often it is called.
void add_shed(pb::Shed part, pb::ProcessRecord& record);
void drop_shed(pb::Shed part, pb::ProcessRecord& record);
bool has_shed(pb::Shed part, const pb::ProcessRecord& record);

}  // namespace de::collect
