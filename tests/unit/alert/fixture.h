// A snapshot of made-up processes in the real mirror, and rows as a rule would return them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alert/raise.h"
#include "daemoneye/base/clock.h"
#include "mirror/mirror.h"

namespace de::alert {

class FakeClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = 1'767'323'045'678;
};

struct Proc {
  std::uint32_t pid = 0;
  std::optional<std::uint32_t> ppid{};
  std::string name{};
  std::optional<std::int64_t> start_ms{};
  std::string uid{};         // 16 bytes or empty.
  std::string parent_uid{};  // 16 bytes or empty.
};

inline std::string uid_of(char c) { return std::string(16, c); }

class SnapshotTest : public testing::Test {
 protected:
  void load(const std::vector<Proc>& processes) {
    auto mirror = mirror::Mirror::create();
    ASSERT_TRUE(mirror) << mirror.error().message();
    ASSERT_TRUE((*mirror)->begin_scan(1, 1'000));
    for (const Proc& process : processes) {
      pb::ProcessRecord record;
      record.set_pid(process.pid);
      if (process.ppid) record.set_ppid(*process.ppid);
      record.set_name(process.name);
      record.set_executable_path("/bin/" + process.name);
      record.set_user_id("33");
      if (process.start_ms) record.set_start_time_ms(*process.start_ms);
      record.set_process_uid(process.uid);
      if (!process.parent_uid.empty()) record.set_parent_uid(process.parent_uid);
      record.set_accessible(true);
      const auto added = (*mirror)->upsert(record, record.SerializeAsString());
      ASSERT_TRUE(added) << added.error().message();
    }
    auto image = (*mirror)->finish_scan();
    ASSERT_TRUE(image) << image.error().message();
    if (!session) {
      auto created = mirror::Session::create(mirror::Origin::Rule, clock);
      ASSERT_TRUE(created) << created.error().message();
      session = std::move(*created);
      lineage.emplace(*session);
    }
    const auto loaded = session->load(*image);
    ASSERT_TRUE(loaded) << loaded.error().message();
  }

  std::string chain(std::uint32_t pid) {
    auto facts = lineage->find(pid);
    if (!facts || !*facts) return "not found";
    auto ancestors = lineage->ancestors(**facts);
    if (!ancestors) return ancestors.error().message();
    std::string out;
    for (const pb::Ancestor& ancestor : *ancestors)
      out += (out.empty() ? "" : " ") + ancestor.name() + ":" + std::to_string(ancestor.pid());
    return out;
  }

  FakeClock clock;
  std::unique_ptr<mirror::Session> session;
  std::optional<Lineage> lineage;
};

}  // namespace de::alert
