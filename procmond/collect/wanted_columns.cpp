#include "collect/wanted_columns.h"

namespace de::collect {
namespace {

// A thread of the kernel uses neither, one that has ended nothing any more.
bool uses_anything(const pb::ProcessRecord& record) {
  return !record.kernel_thread() && record.state() != "Z" && record.state() != "X";
}

}  // namespace

void WantedColumns::add(pb::ProcessRecord& record) {
  if (plans_ == nullptr) return on_record_(record);
  const Wanted wanted = plans_->wanted(record);
  keep_only(wanted, record);
  // What is wanted of all was asked of everybody; without an answer there is none.
  const auto missing = static_cast<Wanted>(wanted & demand_.of_some & ~told_in(record));
  if (missing == kNothing || !uses_anything(record)) return on_record_(record);
  waiting_.emplace_back().Swap(&record);
  missing_.push_back(missing);
  waiting_bytes_ += waiting_.back().ByteSizeLong();
  if (waiting_.size() >= kMostWaiting || waiting_bytes_ > kMostBytes) finish();
}

void WantedColumns::finish() {
  std::vector<Wanting> wanting;
  for (std::size_t i = 0; i < waiting_.size(); ++i) wanting.push_back({&waiting_[i], missing_[i]});
  if (!wanting.empty()) source_.add_on_demand(wanting);
  for (pb::ProcessRecord& record : waiting_) on_record_(record);
  waiting_.clear();
  missing_.clear();
  waiting_bytes_ = 0;
}

}  // namespace de::collect
