// What statements had nothing to say about, so that they need not be asked again.
//
// A row-wise statement without a clock is a function of the columns it reads, and which one it reads next depends on
// nothing but those before. So when an event has the same values in all columns that were read for another one, it gets
// the same answer. Programs are run over and over: nearly everything that happens has happened before.
//
// An event is known by two keys: by what it shares with others of its kind (program, owner, file), and by that and its
// arguments. What a statement read decides which of them its answer depends on; a statement that looked at what every
// process has of its own (its pid, a time) is asked each time. Keys are 128 bits of keyed hash: nobody who does not
// know the key can make one event pass for another.
//
// Thread: that of the connection.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/crypto/siphash.h"
#include "mirror/event_row.h"

namespace de::mirror {

// By place among schema::event_columns(); the last one stands for what is in no column.
constexpr std::size_t kMaxEventColumns = 128;
constexpr std::size_t kNoEventColumn = kMaxEventColumns - 1;
using EventColumns = std::bitset<kMaxEventColumns>;
std::size_t command_line_column();

class Misses {
 public:
  static constexpr std::size_t kMaxBytes = 1UL << 20;  // Of each of its two tables.
  // What no two processes, or no two events of one, have in common.
  static constexpr std::string_view kOwn[] = {
      "event_time_ms", "event_time_s", "sequence",       "boot_time_ns",  "duration_ms",    "ancestry",
      "pid",           "ppid",         "process_uid",    "parent_uid",    "start_time_ms",  "start_time",
      "session_id",    "pgid",         "pidfs_inode",    "threads",       "cpu_usage",      "cpu_user_ms",
      "cpu_system_ms", "memory_usage", "virtual_memory", "io_read_bytes", "io_write_bytes", "fd_count",
      "platform_data", "namespaces",   "exec_seq",       "state"};
  // What may differ each time a program is run.
  static constexpr std::string_view kArguments[] = {"command_line",       "argv", "argc",        "command_line_length",
                                                    "command_line_now",   "cwd",  "environment", "environment_length",
                                                    "parent_command_line"};

  Misses();
  // Forgets everything. From now on there are as many statements, numbered from 0.
  void reset(std::size_t statements);
  // The events that are spoken of until the next call. Asks once for each: its command line, or nothing when no
  // statement sees the event.
  using CommandLine = std::function<std::optional<std::string_view>(std::size_t)>;
  void load(std::span<const EventRow> events, const CommandLine& command_line);
  // Has the statement nothing to say about this event?
  bool knows(std::size_t statement, std::size_t event) const;
  // It had nothing to say, after it had read these columns.
  void note(std::size_t statement, std::size_t event, const EventColumns& read);

 private:
  struct Key {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Keys {
    Key kind;
    Key whole;
  };
  // A set of bits for each key; the oldest of a row of four makes room.
  class Table {
   public:
    void reset(std::size_t words);
    const std::uint64_t* find(const Key& key) const;
    std::uint64_t* find_or_add(const Key& key);

   private:
    static constexpr std::size_t kWays = 4;
    std::size_t words_ = 0;
    std::size_t sets_ = 0;
    std::vector<Key> keys_;
    std::vector<std::uint64_t> bits_;
    std::vector<std::uint8_t> next_;  // Of each set: who goes next.
  };

  Key hash(std::string_view bytes) const;
  Keys keys_of(const EventRow& event, std::string_view command_line);
  void use(const EventColumns& columns);
  void append(std::span<const std::size_t> columns, const pb::ProcessEvent& event, std::string_view command_line);

  const crypto::SipHash high_, low_;  // Each with a key of its own.
  EventColumns own_, arguments_;
  EventColumns used_;  // Those of the keys: what statements have read so far; the same as two lists:
  std::vector<std::size_t> kind_columns_, argument_columns_;
  std::size_t statements_ = 0;
  std::size_t words_ = 0;
  Table kinds_, wholes_;
  std::vector<Keys> keys_;            // Of the events loaded; empty when they no longer fit `used_`.
  std::vector<std::uint64_t> known_;  // Of the events loaded, `words_` each.
  std::string text_;                  // Scratch.
};

}  // namespace de::mirror
