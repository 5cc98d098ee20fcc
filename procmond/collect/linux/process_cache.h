// What is remembered about a live process between two sweeps, however it is read. Compact: there may be ten thousand.
//
// Thread: that of the reader.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "collect/linux/exe_file.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_stat.h"
#include "collect/text_pool.h"
#include "daemoneye/process.pb.h"

namespace de::collect {

// The cheap signs that a process is no longer running what it ran: if all are the same, the slow columns are.
struct Signs {
  // Of the code and stack addresses that exec chose; 0 when the kernel does not show them.
  std::uint64_t layout = 0;
  std::uint64_t arguments = 0;  // A hash of the raw argument list.
  Owner owner;
  std::uint32_t ppid = 0;
  std::int32_t tty_nr = 0;

  friend bool operator==(const Signs&, const Signs&) = default;
};

inline std::string_view as_text(const FileFacts& facts) {
  return {reinterpret_cast<const char*>(&facts), sizeof facts};
}

// What as_text() was made from.
inline std::optional<FileFacts> facts_of(const TextPool::Ref& text) {
  FileFacts facts;
  if (text.get().size() != sizeof facts) return std::nullopt;
  std::memcpy(&facts, text.get().data(), sizeof facts);
  return facts;
}

// Serialised ProcessRecords as a read made them: the slow columns, the same for many processes, and what is more its
// own.
struct ReadTexts {
  std::string slow, arguments, environment;
};

struct CachedProcess {
  std::array<char, 16> uid{};
  std::array<char, 16> parent_uid{};
  bool has_parent = false;
  bool denied = false;
  bool blocked = false;  // It was not read to the end: what is known is older.
  std::uint32_t exec_seq = 0;
  std::uint32_t sweep = 0;                     // When it was last seen.
  TextPool::Ref image;                         // Bytes of FileFacts; none when it could not be told.
  TextPool::Ref slow, arguments, environment;  // As in ReadTexts.

  void set_uid(std::string_view id) { std::memcpy(uid.data(), id.data(), uid.size()); }
  void set_parent_uid(std::string_view id) {
    std::memcpy(parent_uid.data(), id.data(), parent_uid.size());
    has_parent = true;
  }
  void keep(const ReadTexts& read, const std::optional<FileFacts>& file, TextPool& texts);
  // Adds to `record` all that is known: who it is and its texts.
  void recall(std::int64_t boot_time_ms, pb::ProcessRecord& record) const;
  std::optional<FileKey> image_key() const;
  bool tells_the_same_as(const CachedProcess& other) const {
    return denied == other.denied && slow == other.slow && arguments == other.arguments &&
           environment == other.environment && image == other.image;
  }
};

}  // namespace de::collect
