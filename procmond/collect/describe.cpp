#include "collect/describe.h"

#include "collect/live_tables.h"
#include "daemoneye/schema/describe.h"

namespace de::collect {

pb::SchemaDescriptor describe(const CollectorOptions& options) {
  pb::SchemaDescriptor out;
  schema::describe_processes({options.on_demand, options.source.collect_environment, options.hash.enabled}, out);
  describe_live_tables(options.source.collect_environment, out);
  return out;
}

}  // namespace de::collect
