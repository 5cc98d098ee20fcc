// Runs statements over a handful of new events, within microseconds: they are prepared once, the events are read where
// they are, and a statement is run only over those that have the literals it looks for (prefilter.h).
//
// Thread: one thread at a time, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/result.h"
#include "mirror/event_row.h"
#include "mirror/prefilter.h"
#include "mirror/prospect.h"
#include "mirror/session.h"
#include "mirror/shape.h"
#include "mirror/stored_literals.h"

namespace de::mirror {

struct BatchOptions {
  bool prefilter = true;  // False: every statement is asked of every event, which only tests and benchmarks want.
};

class BatchSession {
 public:
  static constexpr std::size_t kMaxPatterns = 1'024;  // Compiled regular expressions that are kept.

  // `event` is the place of the event, among those loaded, that the row is about.
  using OnRow = std::function<bool(std::span<const Value> row, std::size_t event)>;

  // `clock` outlives the session. Errors: Io, Exhausted.
  static Result<std::unique_ptr<BatchSession>> create(const Clock& clock, const BatchOptions& options);
  ~BatchSession();
  BatchSession(const BatchSession&) = delete;
  BatchSession& operator=(const BatchSession&) = delete;

  // The gate without running. Errors: Invalid, Timeout, Exhausted.
  Result<Shape> shape(std::string_view sql);

  // Returns the statement's number, counted from 0. It is asked of what is loaded from then on. Errors: those of
  // shape(); Invalid when it is not row-wise.
  Result<std::size_t> add(std::string_view sql);
  Prospect prospect(std::size_t statement) const;
  // What some text of an event must pass, as the store has it (stored_literals.h), for the statement to have a row
  // about it; empty when nothing can be said. Errors: Invalid.
  Result<TextTest> text_test(std::size_t statement);
  void clear();

  // The events must outlive the runs over them.
  void load(std::span<const EventRow> events);
  // The statements that may have something to say about an event, in order. Of the others it is known that they have
  // not: what they look for is in none, or they had nothing to say about events like these before.
  std::span<const std::uint32_t> asked() const;
  std::size_t events_for(std::size_t statement) const;  // Of how many events it is asked.
  PrefilterSize prefilter_size() const;
  // Errors: Invalid, Timeout, Exhausted, Io.
  Result<Outcome> run(std::size_t statement, const Budget& budget, const Session::OnColumns& on_columns,
                      const OnRow& on_row);

 private:
  class Impl;
  explicit BatchSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace de::mirror
