// Which tables there are at present: those of the collectors that are connected, with what they told last.
//
// Thread: io; what it hands out is immutable and may go anywhere.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "catalog/contract.h"
#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "daemoneye/control.pb.h"
#include "mirror/foreign.h"

namespace de::catalog {

struct Limits {
  std::size_t rows = 100'000;      // Of one table.
  std::size_t bytes = 32UL << 20;  // Of all tables together, what is being told included.
};

struct Counts {
  std::uint64_t tellings = 0;  // Taken over whole.
  std::uint64_t rows = 0;      // Of these.
  std::uint64_t shed = 0;      // Tellings that were larger than there is room for; what was told before them stays.
  std::uint64_t bytes = 0;     // Held now.
};

class Catalog {
 public:
  Catalog(const Clock& clock, const Limits& limits) : clock_(clock), limits_(limits) {}

  // Before a collector is let in. Errors: those of read_description(), Conflict (another one tells that table),
  // Exhausted (too many names before a dot).
  Result<> check(const std::string& collector, bool owns_processes, const pb::SchemaDescriptor& schema) const;
  // It is in, and was checked. What it told before counts again only when it tells it again.
  void join(const std::string& collector, bool owns_processes, const pb::SchemaDescriptor& schema);
  void leave(const std::string& collector);

  // Returns whether the table now has other rows. Errors: Corrupt, Invalid (the collector's fault).
  Result<bool> take(const std::string& collector, pb::TableRows&& part);

  // As of the last join, leave or take.
  const std::shared_ptr<const mirror::ForeignTables>& tables() const { return tables_; }
  // Of the collector of processes that is here; null when there is none, or it said nothing of itself.
  const Description* processes() const;
  // Why a table may have less than its collector told.
  std::vector<pb::Reason> reasons() const;
  const Counts& counts() const { return counts_; }

 private:
  struct Telling {
    std::uint64_t scan_id = 0;
    std::uint32_t next_chunk = 0;
    bool is_shed = false;
    std::shared_ptr<mirror::ForeignRows> rows;
  };
  struct Member {
    Description description;
    bool described = false;
    std::map<std::string, Telling> open;                                     // By table.
    std::map<std::string, std::shared_ptr<const mirror::ForeignRows>> told;  // The same.
    std::map<std::string, bool> shed;                                        // The same: the last one was.
  };
  Result<> add_rows(const mirror::ForeignInfo& info, pb::TableRows& part, Telling& telling);
  void publish();

  const Clock& clock_;
  const Limits limits_;
  std::map<std::string, Member> members_;
  std::map<std::string, mirror::GoneTable> gone_;  // By name.
  std::shared_ptr<const mirror::ForeignTables> tables_ = std::make_shared<mirror::ForeignTables>();
  Counts counts_;
};

}  // namespace de::catalog
