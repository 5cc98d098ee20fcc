// What a statement needs of `processes` that is not in every snapshot: which columns on demand it reads, and of which
// processes. Found by SQLite itself, which is asked for its plan over tables without rows.
//
// Thread: one.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "daemoneye/catalog.pb.h"

namespace de::mirror {

// The columns for every process that meets any of `of`; each of these is a list of conditions, all of which hold.
// An empty list is every process.
struct ColumnNeeds {
  std::set<std::string, std::less<>> columns;
  std::vector<std::vector<pb::Predicate>> of;

  bool is_empty() const { return columns.empty(); }
  bool is_of_all() const;
};

class NeedFinder {
 public:
  static constexpr std::size_t kMaxPredicates = 16;  // Of one list; the others are left out, which needs more.
  static constexpr std::size_t kMaxLists = 8;        // Of a statement with more, it is every process.

  // Errors: Io, Exhausted.
  static Result<std::unique_ptr<NeedFinder>> create();
  ~NeedFinder();
  NeedFinder(const NeedFinder&) = delete;
  NeedFinder& operator=(const NeedFinder&) = delete;

  // `sql` has passed the gate; `columns_used` are those it reads ("processes.fd_count"). Values are those that are
  // written in the statement. Never fails: what is not understood needs every process.
  // With `of_history` what it will read there counts, too.
  ColumnNeeds find(std::string_view sql, const std::vector<std::string>& columns_used, bool of_history);

 private:
  class Impl;
  explicit NeedFinder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace de::mirror
