// What a collector says of itself when it comes, read and held against what is known: which tables it may have at all,
// whether they are such that SQL can name them, and which of our own columns it tells.
//
// Thread: any (values).
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/catalog.pb.h"
#include "mirror/foreign.h"

namespace de::catalog {

constexpr int kMaxTables = 32;
constexpr int kMaxColumns = 128;
constexpr std::size_t kMaxNameBytes = 64;
constexpr std::size_t kMaxHelpBytes = 256;
constexpr int kMaxOperations = 16;

struct Description {
  std::vector<std::shared_ptr<const mirror::ForeignInfo>> tables;  // Besides ours.
  bool tells_processes = false;
  std::vector<std::string> untold;               // "processes.environment": ours, that it does not tell.
  std::set<std::string, std::less<>> on_demand;  // Columns of `processes`.
  std::set<std::string, std::less<>> live;       // Tables of ours whose rows are read when they are asked for.
  // Of `processes`: what it says it can look for by itself.
  std::map<std::string, std::set<pb::PredicateOp>, std::less<>> operations;
};

// `owns_processes`: it is the collector to whom `processes` and all that begins with `processes.` is reserved.
// Errors: Denied (a table that is not its to tell), Invalid, TooLarge; nothing of a description that is wrong is used.
Result<Description> read_description(const std::string& collector, bool owns_processes,
                                     const pb::SchemaDescriptor& schema);

}  // namespace de::catalog
