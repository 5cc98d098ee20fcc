// What procmond and its opener say to each other: messages of fixed shape over sequenced-packet sockets that both
// inherited. One request, one answer. A request names a process by pid and start, or a program by its path.
//
// Thread: any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "collect/linux/exe_file.h"

namespace de::collect {

enum class Ask : std::uint32_t {
  Signs = 1,        // Of many processes, whoever has the pid now.
  Facts = 2,        // Of one: everything that takes privileges to read, but for the environment.
  Executable = 3,   // Of one: what it runs, opened for reading.
  Environment = 4,  // Of one: its /proc/PID/environ, opened for reading.
  Program = 5,      // By path: a regular file that somebody may execute, opened for reading.
  Image = 6,        // Of one: as Facts, but nothing that is not about its exe.
  Use = 7,          // Of many processes, whoever has the pid now: only what they use.
  Files = 8,        // Of one: the numbers of its open descriptors and the texts of their links, a part of them.
};

// What is told of a process's use.
constexpr std::uint32_t kTellDescriptors = 1;
constexpr std::uint32_t kTellIo = 2;
constexpr std::uint32_t kTellAllUse = kTellDescriptors | kTellIo;

constexpr std::size_t kMaxAsked = 64;
constexpr std::size_t kMaxTextBytes = 4'096;  // Of a link or path; PATH_MAX.
constexpr std::size_t kLinks = 3;
constexpr std::array<const char*, kLinks> kLinkNames{"exe", "cwd", "root"};
constexpr std::size_t kNamespaceCount = 7;
constexpr std::array<const char*, kNamespaceCount> kNamespaceNames{"ns/cgroup", "ns/ipc",  "ns/mnt", "ns/net",
                                                                   "ns/pid",    "ns/user", "ns/uts"};

struct AskedProcess {
  std::uint32_t pid = 0;
  std::uint32_t from = 0;         // Of Files: lesser descriptors are not told.
  std::uint64_t start_ticks = 0;  // The identity, checked before anything is read. Not looked at for Signs and Use.
};

struct OpenerRequest {
  Ask ask = Ask::Signs;
  std::uint32_t count = 0;       // Of the processes; they follow.
  std::uint32_t path_bytes = 0;  // Of Program, which names no process; it follows.
  std::uint32_t use = 0;         // Of Signs, Facts and Use: kTell...
};
constexpr std::size_t kMaxRequestBytes =
    sizeof(OpenerRequest) +
    (kMaxAsked * sizeof(AskedProcess) > kMaxTextBytes ? kMaxAsked * sizeof(AskedProcess) : kMaxTextBytes);

// What statx() said, or why not.
struct ToldFile {
  std::int32_t error = 0;  // errno
  std::uint32_t reserved = 0;
  FileFacts facts;
};

struct ToldUse {
  std::int64_t descriptors = -1;  // -1: not told.
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::uint32_t has_io = 0;
  std::uint32_t reserved = 0;
};

struct ToldUseOf {
  std::uint64_t start_ticks = 0;  // Whose it is; 0: nobody has the pid.
  ToldUse use;
};

// The cheap signs that a process runs what it ran.
struct ToldSigns {
  std::uint64_t start_ticks = 0;  // Whose they are; 0: nobody has the pid.
  std::uint64_t start_code = 0;   // As in /proc/PID/stat: where exec put the program.
  std::uint64_t start_stack = 0;
  ToldFile image;
  ToldUse use;
};

// Followed by the texts of the links, one behind the other.
struct ToldFacts {
  ToldSigns signs;
  ToldFile literal;   // The file that the text of exe names,
  ToldFile original;  // and without the kernel's " (deleted)"; as literal when it says no such thing.
  std::array<std::uint64_t, kNamespaceCount> namespaces{};  // Inodes; 0: not told.
  std::array<std::int32_t, kLinks> link_errors{};
  std::array<std::uint32_t, kLinks> link_bytes{};
};

// Followed by the files, each by the text of its link.
struct ToldFiles {
  std::uint32_t next = 0;  // The least descriptor of those that are left; 0: none is.
  std::uint32_t reserved = 0;
};
struct ToldLink {
  std::uint32_t descriptor = 0;
  std::int32_t error = 0;  // errno; then there is no text.
  std::uint32_t bytes = 0;
};
constexpr std::size_t kMaxToldFiles = 512;           // Of one answer,
constexpr std::size_t kMaxFilesBytes = 48UL * 1024;  // which ends with the one that makes it so long.

struct AnswerHead {
  std::int32_t error = 0;  // errno of the whole request; nothing follows then.
  // Signs, Use: as many ToldSigns or ToldUseOf follow. Facts, Image: one ToldFacts. Files: one ToldFiles. Otherwise a
  // descriptor comes with it.
  std::uint32_t count = 0;
};

constexpr std::size_t kMaxFilesAnswerBytes =
    sizeof(AnswerHead) + sizeof(ToldFiles) + kMaxFilesBytes + sizeof(ToldLink) + kMaxTextBytes;
constexpr std::size_t kMaxToldBytes =  // Of any other answer.
    sizeof(AnswerHead) + (kMaxAsked * sizeof(ToldSigns) > sizeof(ToldFacts) + kLinks * kMaxTextBytes
                              ? kMaxAsked * sizeof(ToldSigns)
                              : sizeof(ToldFacts) + kLinks * kMaxTextBytes);

}  // namespace de::collect
