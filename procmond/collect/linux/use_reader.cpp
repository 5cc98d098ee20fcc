#include "collect/linux/use_reader.h"

#include <algorithm>
#include <utility>

#include "collect/identity.h"
#include "collect/linux/opener.h"
#include "collect/linux/process_reader.h"

namespace de::collect {
namespace {

// Each of them holds a channel to the opener, which the sweeps need as well.
constexpr std::uint32_t kMaxStuckUses = 4;
constexpr std::uint32_t kOneOfMany = 0;  // In place of a pid.

void set_use(const ProcRoot& root, const ToldUseOf& told, const Wanting& wanting) {
  pb::ProcessRecord& record = *wanting.record;
  // The pid has another owner by now, or none.
  if (told.start_ticks == 0 ||
      process_uid(root.boot_id, record.pid(), told.start_ticks * kTickNs) != record.process_uid())
    return;
  if ((wanting.columns & kFdCount) != 0 && told.use.descriptors >= 0)
    record.set_fd_count(static_cast<std::uint32_t>(told.use.descriptors));
  if (told.use.has_io == 0) return;
  if ((wanting.columns & kIoRead) != 0) record.set_io_read_bytes(told.use.read_bytes);
  if ((wanting.columns & kIoWrite) != 0) record.set_io_write_bytes(told.use.written_bytes);
}

}  // namespace

std::uint32_t use_parts(Wanted wanted) {
  return ((wanted & kFdCount) != 0 ? kTellDescriptors : 0) | ((wanted & kIo) != 0 ? kTellIo : 0);
}

UseReader::UseReader(SharedProcRoot root)
    : root_(std::move(root)), calls_(root_, std::min(root_->options.max_stuck, kMaxStuckUses)) {}

Result<std::vector<ToldUseOf>> UseReader::ask(std::uint32_t subject, std::vector<std::uint32_t> pids,
                                              std::uint32_t use) {
  return calls_.run<std::vector<ToldUseOf>>(
      subject, "ask what processes use",
      [pids = std::move(pids), use](const ProcRoot& root) { return root.opener->use(pids, use); });
}

void UseReader::add_batch(std::span<const Wanting> wanting) {
  Wanted columns = kNothing;
  std::vector<std::uint32_t> pids;
  for (const Wanting& one : wanting) {
    columns |= one.columns;
    pids.push_back(one.record->pid());
  }
  const std::uint32_t subject = pids.size() == 1 ? pids[0] : kOneOfMany;
  const auto told = ask(subject, std::move(pids), use_parts(columns));
  for (std::size_t i = 0; i < wanting.size(); ++i) {
    if (told) {
      set_use(*root_, (*told)[i], wanting[i]);
    } else if (told.error().code() == Errc::Timeout && wanting.size() > 1) {
      add_batch(wanting.subspan(i, 1));  // One of them does not answer; the others do.
    }
  }
}

void UseReader::add(std::span<const Wanting> wanting) {
  std::vector<Wanting> asked;
  for (const Wanting& one : wanting)
    if (!calls_.is_stuck_in(one.record->pid())) asked.push_back(one);
  for (std::span<const Wanting> left = asked; !left.empty(); left = left.subspan(std::min(left.size(), kMaxAsked)))
    add_batch(left.first(std::min(left.size(), kMaxAsked)));
}

}  // namespace de::collect
