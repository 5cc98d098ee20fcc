#include "made_up_lives.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace de::bench {
namespace {

constexpr std::size_t kPrograms = 400;
constexpr std::size_t kShells = 24;
constexpr std::uint64_t kBetweenLivesNs = 500'000;  // Two thousand a second.
constexpr std::uint64_t kLivesPerShell = 12;        // Then a new one takes its place: a script that ended.
constexpr std::array<std::string_view, 10> kFolders = {"src", "lib",  "tests", "include", "tools",
                                                       "net", "core", "util",  "parser",  "driver"};
constexpr std::array<std::string_view, 8> kFlags = {"-c",           "-O2",   "-Wall", "--quiet",
                                                    "-I../include", "-fPIC", "-n",    "-r"};

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

bool later(const pb::ProcessEvent& a, const pb::ProcessEvent& b) { return a.boot_time_ns() > b.boot_time_ns(); }

}  // namespace

MadeUpLives::MadeUpLives(std::int64_t start_ms) : boot_ms_(start_ms - 7'200'000), now_ns_(7'200'000'000'000) {
  double total = 0;
  for (std::size_t i = 0; i < kPrograms; ++i) {
    Program program;
    program.name = (i % 3 == 0 ? "tool-" : i % 3 == 1 ? "git-" : "x") + std::to_string(i * 37 % 1000);
    program.path = (i % 4 == 0 ? "/usr/lib/git-core/" : "/usr/bin/") + program.name;
    program.hash = hex(new_uid() + new_uid());
    program.inode = 131'072 + random_() % 500'000;
    programs_.push_back(std::move(program));
    total += 1.0 / static_cast<double>(i + 1);
    shares_.push_back(total);
  }
  Living init;
  init.record.set_pid(1);
  init.record.set_ppid(0);
  init.record.set_process_uid(new_uid());
  init.record.set_name("systemd");
  init.record.set_executable_path("/usr/lib/systemd/systemd");
  init.record.add_command_line("/sbin/init");
  init.record.set_boot_time_ms(boot_ms_);
  init.record.set_user_id("1000");
  init.record.set_user_name("builder");
  init.record.set_euid(1000);
  init.record.set_group_id(1000);
  init.record.set_egid(1000);
  init.record.set_suid(1000);
  init.record.set_sgid(1000);
  init.record.set_login_uid(1000);
  init.record.set_cap_effective(0);
  init.record.set_no_new_privs(false);
  init.record.set_seccomp(0);
  init.record.set_source(pb::RECORD_SOURCE_BPF);
  init.record.set_accessible(true);
  init.record.set_file_exists(true);
  init.record.set_on_disk_state(pb::ON_DISK_MATCH);
  pb::Namespaces& spaces = *init.record.mutable_namespaces();
  spaces.set_cgroup(4026531835);
  spaces.set_ipc(4026531839);
  spaces.set_mnt(4026531841);
  spaces.set_net(4026531840);
  spaces.set_pid(4026531836);
  spaces.set_user(4026531837);
  spaces.set_uts(4026531838);
  for (std::size_t i = 0; i < kShells; ++i) {
    Living top = init;
    for (int depth = 0; depth < 4; ++depth) {
      Living next = child_of(top);
      exec(next);
      top = std::move(next);
    }
    top.record.set_cgroup("/user.slice/user-1000.slice/session-" + std::to_string(i % 6) + ".scope");
    top.record.set_cgroup_id(5000 + i % 6);
    top.record.set_session_id(top.record.pid());
    shells_.push_back(std::move(top));
  }
}

std::string MadeUpLives::new_uid() {
  std::string uid(16, '\0');
  for (char& c : uid) c = static_cast<char>(random_());
  return uid;
}

const MadeUpLives::Program& MadeUpLives::draw_program() {
  const double dice = static_cast<double>(random_() % 1'000'000) / 1'000'000 * shares_.back();
  const auto at = std::lower_bound(shares_.begin(), shares_.end(), dice) - shares_.begin();
  return programs_[std::min(static_cast<std::size_t>(at), programs_.size() - 1)];
}

MadeUpLives::Living MadeUpLives::child_of(const Living& parent) {
  Living child = parent;
  pid_ = pid_ > 4'000'000 ? 2000 : pid_ + 1 + static_cast<std::uint32_t>(random_() % 3 == 0);
  child.record.set_pid(pid_);
  child.record.set_ppid(parent.record.pid());
  child.record.set_parent_uid(parent.record.process_uid());
  child.record.set_process_uid(new_uid());
  child.record.set_start_time_ms(now_ms());
  child.record.set_pidfs_inode(now_ns_ / 1000);
  child.record.set_exec_seq(0);
  child.start_ns = now_ns_;
  child.ancestry.Clear();
  de::pb::Ancestor& self = *child.ancestry.add_ancestors();
  self.set_pid(parent.record.pid());
  self.set_process_uid(parent.record.process_uid());
  self.set_name(parent.record.name());
  self.set_executable_path(parent.record.executable_path());
  child.ancestry.MergeFrom(parent.ancestry);
  return child;
}

void MadeUpLives::exec(Living& life) {
  const Program& program = draw_program();
  pb::ProcessRecord& r = life.record;
  r.set_name(program.name);
  r.set_executable_path(program.path);
  r.set_executable_hash(program.hash);
  r.set_hash_algorithm("sha256");
  r.set_exe_dev(2049);
  r.set_exe_inode(program.inode);
  r.set_exe_size(program.inode % 900'000);
  r.set_exe_mtime_ms(1'700'000'000'000 + static_cast<std::int64_t>(program.inode * 1000));
  r.set_exe_mode(0100755);
  r.set_exe_uid(0);
  r.clear_command_line();
  r.add_command_line(program.name);
  const auto folder = [this] { return std::string(kFolders[random_() % kFolders.size()]); };
  for (std::uint64_t n = random_() % 4; n > 0; --n) r.add_command_line(std::string(kFlags[random_() % kFlags.size()]));
  for (std::uint64_t n = 1 + random_() % 2; n > 0; --n)
    r.add_command_line("/home/builder/" + folder() + "/" + folder() + "/file_" + std::to_string(random_() % 5000) +
                       ".cpp");
  std::uint64_t length = 0;
  for (const std::string& argument : r.command_line()) length += argument.size() + 1;
  r.set_command_line_length(length);
  r.set_cwd("/home/builder/" + folder());
  r.set_exec_seq(r.exec_seq() + 1);
}

pb::ProcessEvent& MadeUpLives::queue(const Living& life, const Living& parent, pb::EventType type,
                                     std::uint64_t at_ns) {
  pb::ProcessEvent event;
  *event.mutable_process() = life.record;
  event.set_event_type(type);
  event.set_boot_time_ns(at_ns);
  event.set_event_time_ms(static_cast<std::int64_t>(at_ns / 1'000'000) + boot_ms_);
  event.mutable_process()->set_collection_time_ms(event.event_time_ms());
  event.set_parent_name(parent.record.name());
  event.set_parent_executable_path(parent.record.executable_path());
  std::string line;
  for (const std::string& argument : parent.record.command_line()) line += (line.empty() ? "" : " ") + argument;
  event.set_parent_command_line(line);
  event.set_ancestry(life.ancestry.SerializeAsString());
  waiting_.push_back(std::move(event));
  return waiting_.back();
}

void MadeUpLives::begin(const Living& parent) {
  Living life = child_of(parent);
  queue(life, parent, pb::EVENT_TYPE_START, now_ns_);
  std::push_heap(waiting_.begin(), waiting_.end(), later);
  const std::uint64_t exec_ns = now_ns_ + 200'000 + random_() % 600'000;
  exec(life);
  queue(life, parent, pb::EVENT_TYPE_EXEC, exec_ns);
  std::push_heap(waiting_.begin(), waiting_.end(), later);
  const std::uint64_t exit_ns = exec_ns + 500'000 + random_() % 3'000'000 * (random_() % 10 == 0 ? 50 : 1);
  pb::ProcessEvent& event = queue(life, parent, pb::EVENT_TYPE_EXIT, exit_ns);
  event.set_duration_ms((exit_ns - life.start_ns) / 1'000'000);
  event.set_exit_code(random_() % 20 == 0 ? 1 : 0);
  event.mutable_process()->set_cpu_user_ms(random_() % 6);
  event.mutable_process()->set_cpu_system_ms(random_() % 3);
  event.mutable_process()->set_memory_usage((300 + random_() % 2000) * 4096);
  event.mutable_process()->set_io_read_bytes(random_() % 4 == 0 ? random_() % 100'000 : 0);
  event.mutable_process()->set_io_write_bytes(random_() % 4 == 0 ? random_() % 100'000 : 0);
  std::push_heap(waiting_.begin(), waiting_.end(), later);
  // Now and then it is a script, whose commands come next.
  if (random_() % kLivesPerShell == 0)
    shells_[random_() % shells_.size()] = [&] {
      Living script = std::move(life);
      if (script.ancestry.ancestors_size() > 6) script.ancestry = parent.ancestry;
      return script;
    }();
}

pb::EventBatch MadeUpLives::next(std::uint32_t count) {
  pb::EventBatch batch;
  while (batch.events_size() < static_cast<int>(count)) {
    // What is due is everything before the next life begins.
    if (!waiting_.empty() && waiting_.front().boot_time_ns() <= now_ns_) {
      std::pop_heap(waiting_.begin(), waiting_.end(), later);
      waiting_.back().set_sequence(++sequence_);
      *batch.add_events() = std::move(waiting_.back());
      waiting_.pop_back();
      continue;
    }
    now_ns_ += kBetweenLivesNs / 2 + random_() % kBetweenLivesNs;
    begin(Living(shells_[random_() % shells_.size()]));
  }
  return batch;
}

}  // namespace de::bench
