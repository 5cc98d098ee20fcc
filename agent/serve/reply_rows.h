// The rows of an answer, in pages as they go over the wire. An answer is whole before the first of it is sent, and
// waits for as long as the asker reads it: beyond kInMemoryBytes its pages wait in a file without a name, which goes
// with the answer.
//
// Thread: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "daemoneye/base/result.h"
#include "daemoneye/base/unique_fd.h"
#include "daemoneye/control.pb.h"

namespace de::serve {

class ReplyRows {
 public:
  static constexpr std::size_t kPageBytes = 256UL << 10;
  static constexpr std::size_t kMaxRowBytes = (1UL << 20) - 1024;  // What fits into a frame of its own.
  static constexpr std::size_t kInMemoryBytes = 512UL << 10;

  // `file_dir`: where the file is made. Empty: everything stays in memory, for what is small by what it is.
  explicit ReplyRows(std::string file_dir = {}) : file_dir_(std::move(file_dir)) {}

  // False after a failure: the rest need not come, outcome() says why.
  bool add(const pb::Row& row);
  // Errors: TooLarge (a row), Io, Exhausted (no room on the disk).
  const Result<>& outcome() const { return outcome_; }

  std::uint64_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  // In memory and in the file.
  std::uint64_t bytes() const { return bytes_ + rows_.size(); }

  // In order and each once, when all rows are there: a ControlReply, serialised. Nothing after the last. Errors: Io.
  Result<std::optional<std::string>> next_page();

 private:
  Result<> end_page();
  Result<> put_away(const std::string& page);
  Result<std::string> take_back(std::size_t bytes);

  std::string file_dir_;
  std::string rows_;               // Of the page that is not full yet: the fields of a RowPage.
  std::deque<std::string> pages_;  // Those before,
  UniqueFd file_;                  // and those after these.
  std::deque<std::size_t> page_sizes_;
  std::uint64_t read_bytes_ = 0;  // Of the file.
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;  // Of the pages.
  Result<> outcome_;
};

}  // namespace de::serve
