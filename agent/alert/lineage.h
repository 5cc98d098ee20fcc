// Who a process is and who its parents are, looked up in the snapshot a session has loaded.
//
// Process ids are reused, so a row with the right pid need not be the process that is meant: a parent that started
// after its child is not the parent, and a row with another process_uid or start time is another process.
//
// Thread: the thread that owns the Session.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/alert.pb.h"
#include "daemoneye/base/result.h"
#include "mirror/session.h"

namespace de::alert {

struct Facts {
  std::uint32_t pid = 0;
  std::optional<std::uint32_t> ppid;
  std::string name;             // Bytes as the process chose them.
  std::string executable_path;  // Empty: unknown.
  std::string user_id;          // Empty: unknown.
  std::string process_uid;      // Empty: unknown.
  std::string parent_uid;       // Empty: unknown.
  std::optional<std::int64_t> start_time_ms;
};

// The ancestors an event brings along (ProcessEvent.ancestry), nearest first, at most Lineage::kMaxDepth.
// Errors: Invalid (not that form).
Result<std::vector<pb::Ancestor>> read_ancestry(const std::string& bytes);

class Lineage {
 public:
  static constexpr std::size_t kMaxDepth = 32;
  static constexpr std::size_t kMaxCached = 4'096;  // Siblings share their ancestors; one lookup each is enough.

  // `session` outlives this object. What was looked up is forgotten when another image is loaded.
  explicit Lineage(mirror::Session& session) : session_(session) {}

  // Nothing when the snapshot has no such process. Errors: those of Session::run.
  Result<std::optional<Facts>> find(std::uint32_t pid);

  // Nearest parent first, until pid 1, a parent that is not in the snapshot or cannot be the parent, a cycle, or
  // kMaxDepth. Errors: those of Session::run.
  Result<std::vector<pb::Ancestor>> ancestors(const Facts& process);

 private:
  mirror::Session& session_;
  std::map<std::uint32_t, std::optional<Facts>> known_;
  std::uint64_t known_generation_ = 0;
};

}  // namespace de::alert
