#include "sink/delivery.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>

#include "daemoneye/log/log.h"

namespace de::sink {

Delivery::Delivery(std::unique_ptr<Sink> sink, DeliveryQueue& queue, DeliveryOptions options)
    : sink_(std::move(sink)), queue_(queue), options_(options), random_(std::random_device{}()) {
  thread_ = std::thread([this] { run(); });
}

void Delivery::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

void Delivery::begin_stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void Delivery::stop() {
  begin_stop();
  if (thread_.joinable()) thread_.join();
}

DeliveryCounts Delivery::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

bool Delivery::is_stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void Delivery::run() {
  // Signals are for the main thread; and a reader that went away is an error of write(), not the end of the program.
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  if (Result<> ready = sink_->prepare(); !ready) note_failure(ready.error());
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return woken_ || stopping_; });
      if (stopping_) return;
      woken_ = false;
    }
    Round round = Round::More;
    while (round != Round::Idle) {
      round = deliver_batch();
      const auto pause = round == Round::Failed ? next_pause() : std::chrono::milliseconds(0);
      std::unique_lock lock(mutex_);
      if (changed_.wait_for(lock, pause, [this] { return stopping_; })) return;
    }
  }
}

Delivery::Round Delivery::deliver_batch() {
  Result<std::vector<pb::Alert>> alerts = queue_.pending(sink_->name(), options_.batch);
  if (!alerts) {
    note_failure(alerts.error());
    return Round::Failed;
  }
  {
    const std::lock_guard lock(mutex_);
    counts_.pending = alerts->size();
    counts_.more = alerts->size() >= options_.batch;
  }
  if (alerts->empty()) return Round::Idle;
  std::size_t sent = 0;
  Result<> outcome = send(*alerts, sent);
  if (Result<> confirmed = confirm(*alerts, sent); !confirmed) {
    note_failure(confirmed.error());
    return Round::Failed;
  }
  if (!outcome) {
    note_failure(outcome.error());
    return Round::Failed;
  }
  note_success();
  return Round::More;
}

Result<> Delivery::send(const std::vector<pb::Alert>& alerts, std::size_t& sent) {
  std::size_t written = 0;
  Result<> outcome;
  while (written < alerts.size() && !is_stopping()) {
    if (is_wanted(alerts[written])) {
      outcome = sink_->deliver(alerts[written]);
      if (!outcome) break;
    }
    ++written;
  }
  // Nothing counts before it is durable.
  if (Result<> safe = sink_->sync(); !safe) {
    if (outcome) outcome = std::move(safe);
    written = 0;
  }
  sent = written;
  if (!outcome && sent < alerts.size()) {
    // The attempt is booked before the pause; that the booking fails as well changes nothing about the retry.
    (void)queue_.failed(sink_->name(), alerts[sent].sequence(), outcome.error().message());
  }
  return outcome;
}

Result<> Delivery::confirm(const std::vector<pb::Alert>& alerts, std::size_t sent) {
  for (std::size_t i = 0; i < sent; ++i) {
    if (auto noted = queue_.delivered(sink_->name(), alerts[i].sequence()); !noted)
      return fail(std::move(noted).error().during("note delivery"));
    const std::lock_guard lock(mutex_);
    --counts_.pending;
    if (is_wanted(alerts[i])) {
      ++counts_.delivered;
    } else {
      ++counts_.filtered;
    }
  }
  return {};
}

void Delivery::note_failure(const Error& error) {
  const std::lock_guard lock(mutex_);
  ++counts_.failures;
  ++counts_.failures_in_row;
  counts_.last_error = error.message();
  // Of a row the first: the rest is counted in health.
  if (counts_.failures_in_row == 1)
    log::warn("sink", "cannot deliver", {log::field("sink", name()), log::field("reason", error.message())});
}

void Delivery::note_success() {
  const std::lock_guard lock(mutex_);
  if (counts_.failures_in_row > 0)
    log::info("sink", "delivers again", {log::field("sink", name()), log::field("failures", counts_.failures_in_row)});
  counts_.failures_in_row = 0;
}

// Doubles with each failure in a row; a quarter of it is random, so that sinks which failed together do not return
// together.
std::chrono::milliseconds Delivery::next_pause() {
  // Doubling 32 times passes every longest_retry that a 1 ms first_retry could have.
  const std::uint64_t failures = std::min<std::uint64_t>(counts().failures_in_row, 32);
  auto pause = std::min(options_.first_retry, options_.longest_retry);
  for (std::uint64_t i = 1; i < failures && pause < options_.longest_retry; ++i)
    pause = std::min(pause * 2, options_.longest_retry);
  const auto jitter = std::uniform_int_distribution<std::int64_t>(0, pause.count() / 4)(random_);
  return pause - std::chrono::milliseconds(jitter);
}

}  // namespace de::sink
