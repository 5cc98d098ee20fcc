// Tables whose rows are read when somebody asks, of the processes that he names: what they have open, their
// environments and arguments. Between questions nothing of it is anywhere.
//
// Thread: collector.
#pragma once

#include <cstddef>

#include "collect/process_source.h"
#include "daemoneye/base/result.h"
#include "daemoneye/catalog.pb.h"
#include "daemoneye/tasks.pb.h"

namespace de::collect {

constexpr int kMaxLiveKeys = 64;
constexpr std::size_t kMaxOpenFiles = 4'096;      // Told of one process.
constexpr std::size_t kMaxLiveBytes = 3'500'000;  // Of the rows of one answer.

// `environments`: they are collected; otherwise there is no such table.
void describe_live_tables(bool environments, pb::SchemaDescriptor& out);

// The rows of read.table() for the pids in read.keys(), into `result`; a pid that nobody has, or has any more, has
// none. An answer that was cut says so in error_message.
// Errors: NotFound (no such table), Unsupported (it is switched off), Invalid (the keys), Denied, Io.
Result<> read_live(const pb::LiveRead& read, bool environments, ProcessSource& source, pb::DetectionResult& result);

}  // namespace de::collect
