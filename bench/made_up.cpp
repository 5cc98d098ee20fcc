#include "made_up.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "daemoneye/base/byte_order.h"

namespace de::bench {
namespace {

constexpr std::array<std::string_view, 12> kNames = {"nginx", "postgres", "bash", "sshd",    "python3", "java",
                                                     "node",  "systemd",  "cron", "dockerd", "redis",   "worker"};
constexpr std::uint32_t kShortLivedPids = 4'000'000;  // Above every pid of the snapshot.

}  // namespace

MadeUpHost::MadeUpHost(std::uint32_t processes) {
  processes_.reserve(processes);
  for (std::uint32_t i = 0; i < processes; ++i) processes_.push_back(make(i + 1, 1'767'000'000'000 + i * 10LL));
}

pb::ProcessRecord MadeUpHost::make(std::uint32_t pid, std::int64_t start_ms) {
  ++born_;
  const std::string name(kNames[random_() % kNames.size()]);
  pb::ProcessRecord record;
  std::string uid(16, '\0');
  store_be(uid.data(), born_);
  record.set_process_uid(uid);
  record.set_pid(pid);
  record.set_ppid(pid <= 1 ? 0 : 1 + static_cast<std::uint32_t>(random_() % pid));
  record.set_name(name);
  record.set_executable_path("/usr/bin/" + name);
  record.add_command_line("/usr/bin/" + name);
  record.add_command_line("--config=/etc/" + name + "/" + std::to_string(random_() % 200) + ".conf");
  record.add_command_line("--listen=10.0.0." + std::to_string(random_() % 250));
  record.set_start_time_ms(start_ms);
  record.set_boot_time_ms(1'766'900'000'000);
  record.set_memory_usage((1 + random_() % 50'000) * 4096ULL);
  record.set_virtual_memory(1ULL << 30);
  record.set_cpu_usage(0);
  record.set_cpu_user_ms(random_() % 100'000);
  record.set_executable_hash(std::string(63, 'a') + static_cast<char>('a' + name.size()));
  record.set_hash_algorithm("sha256");
  record.set_user_id(std::to_string(random_() % 20));
  record.set_user_name("user" + record.user_id());
  record.set_accessible(true);
  record.set_file_exists(true);
  record.set_on_disk_state(pb::ON_DISK_MATCH);
  record.set_cwd("/");
  record.set_cgroup("/system.slice/" + name + ".service");
  record.set_state("S");
  record.set_threads(1 + static_cast<std::uint32_t>(random_() % 16));
  record.set_source(pb::RECORD_SOURCE_SCAN);
  return record;
}

void MadeUpHost::tick(std::int64_t now_ms, unsigned changed) {
  for (pb::ProcessRecord& record : processes_) {
    const auto dice = random_() % 1'000;
    if (dice < 2) {
      record = make(record.pid(), now_ms);
    } else if (dice < 2 + changed) {
      record.set_cpu_usage(static_cast<double>(random_() % 1'000) / 10);
      record.set_cpu_user_ms(record.cpu_user_ms() + random_() % 3'000);
      record.set_memory_usage(record.memory_usage() + 4096);
    }
    record.set_collection_time_ms(now_ms);
  }
}

pb::EventBatch MadeUpHost::events(std::uint32_t count, std::uint64_t first_sequence, std::int64_t now_ms) {
  pb::EventBatch batch;
  for (std::uint32_t i = 0; i < count; ++i) {
    pb::ProcessEvent& event = *batch.add_events();
    const std::uint64_t sequence = first_sequence + i;
    const auto pid = kShortLivedPids + static_cast<std::uint32_t>(sequence % 100'000);
    if (i % 2 == 1) {  // The exit of the process that the event before it started.
      event = batch.events(static_cast<int>(i) - 1);
      event.set_event_type(pb::EVENT_TYPE_EXIT);
      event.set_duration_ms(1);
    } else {
      *event.mutable_process() = make(pid, now_ms);
      event.set_event_type(pb::EVENT_TYPE_START);
    }
    event.set_event_time_ms(now_ms);
    event.set_sequence(sequence);
  }
  return batch;
}

ScratchDir::ScratchDir() {
  const char* base = std::getenv("DE_BENCH_DIR");
  std::string name = std::string(base != nullptr ? base : "/tmp") + "/de-bench-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  path_ = name;
}

ScratchDir::~ScratchDir() {
  std::error_code ignored;  // A directory that stays behind is no reason to lose the measurements.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace de::bench
