// The directory that oddities are made in, and the usual ways to run one.
//
// Thread: main.
#pragma once

#include <functional>
#include <string>

#include "modes.h"
#include "start.h"

namespace de::load {

class OddStage {
 public:
  // Errors: Io.
  static Result<OddStage> set_up(const Where& where, const OddOptions& options, Truth& truth);
  // Removes the directory.
  void clear();

  const std::string& child() const { return where_->child; }
  const std::string& self() const { return where_->self; }
  int ms() const { return options_.ms; }
  // For what happens to a file while its process runs.
  int some_ms() const;
  // Until it sleeps. posix_spawn() comes back when the old image is gone, which is before the new one has begun.
  void wait_until_it_runs(const Life& life) const;
  std::string path(const std::string& name) const { return dir_ + "/" + name; }
  // load_child under another name. An empty path when that fails; executing it then fails, and the row says so.
  std::string copy(const std::string& name) const;
  bool copy_child_to(int fd) const;
  std::string script(const std::string& name, const std::string& text) const;

  // Fills in a row, lets `start` change it and start the process, waits for it and writes it down. A process that is
  // not permitted to start is skipped, with the reason.
  void spawned(const char* label, const std::function<Life(Row&)>& start, uid_t uid = static_cast<uid_t>(-1));
  void skip(const char* label, const char* reason);

  // With posix_spawn; arguments are `argv0` (empty: the path), the nonce and `what` (empty: end with the code).
  Life run(const std::string& path, const Row& row, const std::string& what = {}, const std::string& variable = {},
           const std::string& argv0 = {}) const;
  Life run_descriptor(int fd, const Row& row) const;
  // In a forked child; comes back only when that fails.
  void execute(const std::string& path, const Row& row) const;

 private:
  OddStage(const Where& where, const OddOptions& options, Truth& truth, std::string dir)
      : where_(&where), options_(options), truth_(&truth), dir_(std::move(dir)) {}

  const Where* where_;
  OddOptions options_;
  Truth* truth_;
  std::string dir_;
  std::uint64_t next_id_ = 1;
};

}  // namespace de::load
