// A source of processes and the texts it remembers, and ways to look through it.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "collect/process_source.h"
#include "daemoneye/base/unique_fd.h"
#include "live_process.h"

namespace de::collect::test {

using Records = std::map<std::uint32_t, pb::ProcessRecord>;

// A source and the texts it remembers.
class OwnSource {
 public:
  explicit OwnSource(SourceOptions options, std::unique_ptr<ProcessIterator> iterator = nullptr)
      : texts_(std::make_unique<TextPool>()) {
    auto source = make_process_source(std::move(options), system_clock(), *texts_, std::move(iterator));
    EXPECT_TRUE(source) << source.error().message();
    source_ = std::move(*source);
  }
  ProcessSource& operator*() const { return *source_; }
  ProcessSource* operator->() const { return source_.get(); }
  std::size_t remembered_texts() const { return texts_->size(); }

 private:
  std::unique_ptr<TextPool> texts_;
  std::unique_ptr<ProcessSource> source_;
};

inline UniqueFd open_proc() { return UniqueFd(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }

inline std::string stat_of(std::uint32_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  return {std::istreambuf_iterator<char>(in), {}};
}

inline OwnSource real_source(SourceOptions options = {}) { return OwnSource(std::move(options)); }

inline Records sweep(ProcessSource& source, Sweep* counts = nullptr) {
  Records records;
  const Result<Sweep> result =
      source.sweep([&](pb::ProcessRecord& record, const auto&) { records[record.pid()] = record; });
  EXPECT_TRUE(result);
  if (counts != nullptr && result) *counts = *result;
  return records;
}

inline pb::ProcessRecord look(ProcessSource& source, std::uint32_t pid) {
  pb::ProcessRecord found;
  const Result<Sweep> result =
      source.visit(std::span(&pid, 1), [&](pb::ProcessRecord& record, const auto&) { found = record; });
  EXPECT_TRUE(result);
  return found;
}

inline std::string copy_sleep(const TempDir& dir, const std::string& name) {
  std::filesystem::copy_file("/bin/sleep", dir / name, std::filesystem::copy_options::overwrite_existing);
  return dir / name;
}

}  // namespace de::collect::test
