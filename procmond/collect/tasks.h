// What the agent may ask for. The agent may be hostile: it gets facts about processes it can already see, and no file
// is ever opened by a name it sent. A path in a task only selects among the executables of running processes.
//
// Thread: collector.
#pragma once

#include <cstddef>
#include <string_view>

#include "collect/exe_hash.h"
#include "collect/process_source.h"
#include "daemoneye/tasks.pb.h"

namespace de::collect {

// The records of one answer together; a frame holds 4 MiB and the rest of the answer is small.
constexpr std::size_t kMaxAnswerBytes = 3'500'000;
constexpr std::size_t kMaxPatternBytes = 512;
// Distinct executables hashed for one task.
constexpr std::size_t kMaxTaskHashes = 16;

// `success`: the task was carried out. An answer that was cut says so in error_message and is a success.
//  ENUMERATE_PROCESSES   processes that match the filter; no filter: all.
//  MONITOR_PROCESS_TREE  descendants of process_filter.pids, without the roots.
//  CHECK_PROCESS_HASH    hash of what runs under hash_check.executable_path, and whether it is the expected one.
//  VERIFY_EXECUTABLE     selected by hash_check.executable_path or process_filter: reads the running images anew;
//                        hash_result.success only if each is still the file on disk and has the expected hash, if any.
//  CHECK_CONFORMANCE     see conformance.h.
//  READ_LIVE             see live_tables.h.
// COLLECT_COLUMNS is the collector's own.
// `hasher` may be null: then what takes hashes is refused; so are environments where they are not collected.
pb::DetectionResult run_task(const pb::DetectionTask& task, ProcessSource& source, ExeHasher* hasher,
                             bool environments = false);

// `*` any bytes, `?` one byte, everything else itself; over the whole text.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace de::collect
