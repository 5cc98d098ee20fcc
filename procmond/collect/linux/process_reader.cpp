#include "collect/linux/process_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "collect/identity.h"
#include "daemoneye/base/byte_order.h"
#include "daemoneye/base/fault.h"
#include "daemoneye/crypto/digest.h"

namespace de::collect {
namespace {

constexpr int kMaxRefreshes = 3;  // A process that execs faster than we read stays as last read.

std::uint64_t short_hash(std::string_view bytes) { return load_le<std::uint64_t>(crypto::sha256(bytes).data()); }

template <class T>  // ProcStat or what the opener read of it.
std::uint64_t layout_of(const T& told) {
  // 0 and 1 stand for "not for you".
  if (told.start_code <= 1 || told.start_stack <= 1) return 0;
  return (told.start_code * 0x9e3779b97f4a7c15U) ^ told.start_stack;
}

// Did an exec happen between the two? Addresses tell it; without them another file does.
bool is_exec(const Signs& before, const Signs& now, const std::optional<FileFacts>& old_image,
             const std::optional<FileFacts>& image) {
  if (before.layout != 0 && now.layout != 0) return before.layout != now.layout;
  return old_image && image && (old_image->key.inode != image->key.inode || old_image->key.dev != image->key.dev);
}

}  // namespace

std::uint64_t own_mounts(int proc_fd) {
  struct stat facts {};
  return ::fstatat(proc_fd, "self/ns/mnt", &facts, 0) == 0 ? facts.st_ino : 0;
}

std::int64_t current_boot_time_ms(const Clock& clock, std::int64_t before) {
  const std::int64_t now = clock.unix_ms() - clock.steady_ns() / 1'000'000;
  return before == 0 || std::abs(now - before) > 500 ? now : before;
}

ProcessReader::ProcessReader(SharedProcRoot root, const Clock& clock, TextPool& texts)
    : root_(std::move(root)),
      clock_(clock),
      texts_(texts),
      slow_(root_->options, own_mounts(root_->fd.get()), clock),
      page_bytes_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))) {
  adopt_boot_time();
}

void ProcessReader::succeed(ProcessReader& hung) {
  cache_ = std::move(hung.cache_);
  sweep_ = hung.sweep_;
  use_ = hung.use_;
  boot_time_ms_ = hung.boot_time_ms_.load();
}

bool ProcessReader::was_read_in_sweep(std::uint32_t pid) const {
  const auto found = cache_.find(pid);
  return found != cache_.end() && found->second.sweep == sweep_;
}

void ProcessReader::begin_sweep(std::uint32_t use) {
  adopt_boot_time();
  use_ = use;
  ++sweep_;
}

void ProcessReader::forget_unseen() {
  std::erase_if(cache_, [this](const auto& item) { return item.second.sweep != sweep_; });
}

void ProcessReader::adopt_boot_time() { boot_time_ms_ = current_boot_time_ms(clock_, boot_time_ms_); }

Result<> ProcessReader::read_stat(const ProcDir& dir, ProcStat& stat) {
  DE_TRY(text, dir.read("stat", stat_text_, kMaxStatBytes));
  DE_TRY(parsed, parse_proc_stat(text));
  stat = parsed;
  return {};
}

void ProcessReader::read_signs(Reading& reading, bool may_wait) {
  Signs signs;
  signs.owner = reading.dir->owner();
  signs.ppid = reading.stat.ppid;
  signs.tty_nr = reading.stat.tty_nr;
  reading.image.reset();
  reading.signs = signs;
  if (reading.stat.is_kernel_thread() || !may_wait) return;
  const auto asked = asked_.find(reading.pid);
  if (reading.is_new && !reading.facts) {
    ask_facts(reading);
  } else if (asked != asked_.end() && asked->second.start_ticks == reading.stat.start_ticks) {
    take_signs(asked->second, reading);
    asked_.erase(asked);
  } else if (const auto told = root_->opener->signs(std::span(&reading.pid, 1), use_)) {
    take_signs(told->front(), reading);
  } else {
    reading.denied = true;
  }

  if (buffer_.size() > kKeepBuffer) std::string().swap(buffer_);  // One giant does not stay in memory.
  const Result<std::string_view> cmdline = reading.dir->read("cmdline", buffer_, root_->options.max_argv_bytes + 1);
  buffer_.resize(cmdline ? cmdline->size() : 0);
  if (cmdline) reading.signs.arguments = short_hash(*cmdline);
  if (!cmdline && cmdline.error().code() == Errc::Denied) reading.denied = true;
  if (!cmdline && cmdline.error().code() == Errc::NotFound) reading.doubtful = true;
}

void ProcessReader::take_signs(const ProcessSigns& told, Reading& reading) {
  reading.use = told.use;
  reading.signs.layout = layout_of(told);
  const bool is_other = told.start_ticks != reading.stat.start_ticks;
  if (!is_other && told.image) {
    reading.image = *told.image;
  } else if (is_other || told.image.error().code() == Errc::NotFound) {
    reading.doubtful = true;
  } else {
    reading.denied |= told.image.error().code() == Errc::Denied;
  }
}

// Everything that the opener tells of one process. Without an answer the signs stay as they were.
void ProcessReader::ask_facts(Reading& reading) {
  auto facts = root_->opener->facts(reading.pid, reading.stat.start_ticks, use_);
  if (facts) {
    take_signs(facts->signs, reading);
    reading.facts = std::move(*facts);
  } else if (facts.error().code() == Errc::NotFound) {
    reading.doubtful = true;
  } else {
    reading.denied = true;
  }
}

bool ProcessReader::ask_signs(std::span<const std::uint32_t> pids, const std::function<bool(std::uint32_t)>& leave_out,
                              Watch& watch) {
  asked_.clear();
  std::vector<std::uint32_t> wanted;
  for (const std::uint32_t pid : pids)
    if (cache_.contains(pid) && !leave_out(pid)) wanted.push_back(pid);
  watch.enter(0);
  auto told = root_->opener->signs(wanted, use_);
  if (!watch.leave()) return false;
  if (!told) return true;  // They are asked for one by one, and it is noted whose are refused.
  for (std::size_t i = 0; i < wanted.size(); ++i) asked_.emplace(wanted[i], std::move((*told)[i]));
  return true;
}

// Reads the slow columns. The process may exec in between: then the parts would not belong together, so the signs are
// looked at again afterwards.
Outcome ProcessReader::refresh(Reading& reading, bool may_wait) {
  const bool is_program = !reading.stat.is_kernel_thread();
  for (int tries = 0; tries < kMaxRefreshes; ++tries) {
    part_.Clear();
    if (is_program && may_wait && !reading.facts) ask_facts(reading);
    SlowColumns::Found found = slow_.read(*reading.dir, reading.stat, reading.facts, part_);
    if (found.thread) return Outcome::Vanished;
    reading.texts.slow = part_.SerializeAsString();
    part_.Clear();
    if (is_program && may_wait) slow_.set_arguments(buffer_, reading.stat.argument_bytes, part_);
    reading.texts.arguments = part_.SerializeAsString();
    part_.Clear();
    if (is_program && may_wait)
      found.denied |= slow_.set_environment(*root_->opener, reading.pid, reading.stat.start_ticks, part_).denied;
    reading.texts.environment = part_.SerializeAsString();
    reading.slow_denied = found.denied;
    reading.refreshed = true;

    if (check_alive(reading) == Outcome::Vanished) return Outcome::Vanished;
    if (!is_program || !may_wait) break;
    // The addresses tell whether there was an exec; where we do not see them everything is looked at again.
    const std::uint64_t layout = layout_of(reading.stat);
    if (layout != 0 && layout == reading.signs.layout) break;
    const Signs signs = reading.signs;
    const std::optional<FileFacts> image = reading.image;
    read_signs(reading, may_wait);
    if (signs == reading.signs && image == reading.image) break;
    reading.facts.reset();
  }
  return Outcome::Read;
}

// Reads stat a second time: the columns read in between only belong to one process if it still is the same one.
Outcome ProcessReader::check_alive(Reading& reading) {
  const std::uint64_t start_ticks = reading.stat.start_ticks;
  ProcStat again;
  const Result<> read = read_stat(*reading.dir, again);
  if (!read || again.start_ticks != start_ticks) return Outcome::Vanished;
  reading.stat = again;
  return Outcome::Read;
}

// The parent by identity, not by number. An entry of this very sweep is current; anything older may be a dead process
// whose pid has a new owner, so then the parent itself is asked.
void ProcessReader::find_parent(const Reading& reading, Known& known) {
  known.has_parent = false;
  if (reading.stat.ppid == 0) return;
  std::string uid;
  if (const auto parent = cache_.find(reading.stat.ppid); parent != cache_.end() && parent->second.sweep == sweep_) {
    uid.assign(parent->second.uid.data(), parent->second.uid.size());
  } else {
    const Result<ProcDir> dir = ProcDir::open(root_->fd.get(), reading.stat.ppid);
    std::string text;
    const Result<std::string_view> read =
        dir ? dir->read("stat", text, kMaxStatBytes) : Result<std::string_view>(fail(Errc::NotFound, "parent"));
    const Result<ProcStat> stat = read ? parse_proc_stat(*read) : fail(Errc::NotFound, "parent");
    // A parent is never younger than its child: this one took the number after the real one had gone.
    if (!stat || stat->start_ticks > reading.stat.start_ticks) return;
    uid = process_uid(root_->boot_id, reading.stat.ppid, stat->start_ticks * kTickNs);
  }
  known.set_parent_uid(uid);
}

void ProcessReader::add_metrics(Reading& reading, Known& known, Mode mode) {
  const ProcStat& stat = reading.stat;
  record_.set_state(std::string(1, stat.state));
  record_.set_threads(stat.threads);
  record_.set_nice(stat.nice);
  record_.set_cpu_user_ms(stat.user_ticks * kTickMs);
  record_.set_cpu_system_ms(stat.system_ticks * kTickMs);

  const std::uint64_t ticks = stat.user_ticks + stat.system_ticks;
  const std::int64_t now_ns = clock_.steady_ns();
  if (const std::int64_t passed = now_ns - known.cpu_at_ns;
      known.cpu_at_ns != 0 && passed >= kMinCpuWindowNs && ticks >= known.cpu_ticks)
    record_.set_cpu_usage(static_cast<double>((ticks - known.cpu_ticks) * kTickNs) * 100.0 /
                          static_cast<double>(passed));
  if (mode == Mode::Snapshot) {
    known.cpu_ticks = ticks;
    known.cpu_at_ns = now_ns;
  }
  if (stat.is_kernel_thread()) return;
  record_.set_memory_usage(static_cast<std::uint64_t>(std::max<std::int64_t>(stat.rss_pages, 0)) * page_bytes_);
  record_.set_virtual_memory(stat.virtual_bytes);
  if (reading.use.descriptors >= 0) record_.set_fd_count(static_cast<std::uint32_t>(reading.use.descriptors));
  if (reading.use.has_io == 0) return;
  record_.set_io_read_bytes(reading.use.read_bytes);
  record_.set_io_write_bytes(reading.use.written_bytes);
}

Outcome ProcessReader::hand_out(Reading& reading, Known& known, Mode mode, const RecordFn& fn) {
  record_.Clear();
  known.recall(boot_time_ms_, record_);
  record_.set_pid(reading.pid);
  record_.set_ppid(reading.stat.ppid);
  record_.set_session_id(reading.stat.session);
  record_.set_pgid(reading.stat.pgid);
  record_.set_name(std::string(reading.stat.comm));
  record_.set_start_time_ms(boot_time_ms_ + static_cast<std::int64_t>(reading.stat.start_ticks * kTickMs));
  record_.set_kernel_thread(reading.stat.is_kernel_thread());
  if (reading.denied) record_.set_accessible(false);
  add_metrics(reading, known, mode);
  record_.set_collection_time_ms(clock_.unix_ms());
  if (fault::drops("collect")) return Outcome::Read;
  const bool accessible = record_.accessible();  // The record may be gone after the call.
  fn(record_, known.image_key());
  return accessible ? Outcome::Read : Outcome::Unreadable;
}

Outcome ProcessReader::hand_out_unreadable(std::uint32_t pid, const RecordFn& fn) {
  record_.Clear();
  record_.set_pid(pid);
  record_.set_boot_time_ms(boot_time_ms_);
  record_.set_collection_time_ms(clock_.unix_ms());
  record_.set_source(pb::RECORD_SOURCE_SCAN);
  fn(record_, std::nullopt);
  return Outcome::Unreadable;
}

ProcessReader::Known ProcessReader::new_process(std::uint32_t pid, const ProcStat& stat) const {
  Known fresh;
  fresh.start_ticks = stat.start_ticks;
  fresh.set_uid(process_uid(root_->boot_id, pid, stat.start_ticks * kTickNs));
  // Born since the snapshot before: all its CPU time was used since its start.
  if (sweep_ > 1) fresh.cpu_at_ns = static_cast<std::int64_t>(stat.start_ticks * kTickNs);
  return fresh;
}

// Is there anything to be read that is not known? Then reads it.
Outcome ProcessReader::update(Reading& reading, const std::optional<Before>& before, bool may_wait) {
  // A zombie has lost its image and arguments; what it was is what we knew.
  if (!reading.is_new && (reading.stat.state == 'Z' || reading.stat.state == 'X')) {
    reading.signs = before->signs;
    reading.image = before->image;
    return Outcome::Read;
  }
  read_signs(reading, may_wait);
  if (!reading.is_new && !may_wait) return Outcome::Read;
  // What no cheap sign shows (capabilities, namespaces, control group, a replaced file) is read in turns.
  const bool is_stale = reading.is_new || !(before->signs == reading.signs) || before->image != reading.image ||
                        (reading.pid + sweep_) % kRefreshSweeps == 0;
  if (is_stale) return refresh(reading, may_wait);
  return reading.doubtful ? check_alive(reading) : Outcome::Read;
}

Outcome ProcessReader::gather(Reading& reading, const std::optional<Before>& before, bool may_wait) {
  Result<ProcDir> dir = ProcDir::open(root_->fd.get(), reading.pid);
  if (!dir) return dir.error().code() == Errc::NotFound ? Outcome::Vanished : Outcome::Unreadable;
  reading.dir = std::move(*dir);
  if (const Result<> stat = read_stat(*reading.dir, reading.stat); !stat)
    return stat.error().code() == Errc::NotFound ? Outcome::Vanished : Outcome::Unreadable;
  reading.is_new = !before || before->start_ticks != reading.stat.start_ticks;
  if (update(reading, before, may_wait) == Outcome::Vanished) return Outcome::Vanished;
  return Outcome::Read;
}

// Takes over what was read.
void ProcessReader::adopt(Reading& reading, Known& known) {
  if (!reading.refreshed) return;
  known.denied = reading.slow_denied;
  if (!reading.is_new && is_exec(known.signs, reading.signs, facts_of(known.image), reading.image)) ++known.exec_seq;
  if (reading.is_new || !known.has_parent || reading.signs.ppid != known.signs.ppid) find_parent(reading, known);
  known.signs = reading.signs;
  known.keep(reading.texts, reading.image, texts_);
}

Outcome ProcessReader::read(std::uint32_t pid, Mode mode, bool may_wait, Watch& watch, const RecordFn& fn) {
  const auto found = cache_.find(pid);
  std::optional<Before> before;
  if (found != cache_.end())
    before = Before{found->second.start_ticks, found->second.signs, facts_of(found->second.image)};
  Reading reading;
  reading.pid = pid;
  watch.enter(pid);
  const Outcome outcome = gather(reading, before, may_wait);
  if (!watch.leave()) return Outcome::LeftBehind;
  if (outcome == Outcome::Vanished) return outcome;
  if (outcome == Outcome::Unreadable) return hand_out_unreadable(pid, fn);

  Known fresh;
  if (reading.is_new) fresh = new_process(pid, reading.stat);
  Known& known = reading.is_new ? fresh : found->second;
  adopt(reading, known);
  known.blocked = !may_wait && !reading.stat.is_kernel_thread();
  if (mode == Mode::Visit) return hand_out(reading, known, mode, fn);  // Only sweeps forget, so only they remember.
  Known& kept = reading.is_new ? (cache_[pid] = std::move(fresh)) : known;
  kept.sweep = sweep_;
  return hand_out(reading, kept, mode, fn);
}

}  // namespace de::collect
