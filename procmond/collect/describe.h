// What this collector can tell, as it is set up: goes out with the greeting.
//
// Thread: any (pure function).
#pragma once

#include "collect/collector.h"
#include "daemoneye/catalog.pb.h"

namespace de::collect {

pb::SchemaDescriptor describe(const CollectorOptions& options);

}  // namespace de::collect
