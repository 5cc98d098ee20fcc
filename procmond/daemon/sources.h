// What tells us of processes, opened while we still have the privileges.
//
// Thread: main, at start.
#pragma once

#include <memory>
#include <string>

#include "collect/event_feed.h"
#include "collect/process_iterator.h"
#include "collect/process_source.h"
#include "daemoneye/base/account.h"
#include "daemoneye/config/config.h"

namespace de::daemon {

struct OpenedSources {
  std::unique_ptr<collect::EventFeed> feed;   // Null: only the difference between two scans does.
  std::string why_not_better;                 // Empty when it is the best there is.
  std::unique_ptr<collect::EventFeed> spare;  // For the day when `feed` is taken away; to be begun then.
  std::string why_no_spare;
  std::unique_ptr<collect::ProcessIterator> iterator;  // Null: scans read /proc.
  std::string why_no_iterator;
  std::shared_ptr<collect::Opener> opener;
  std::string opener_holds;  // What it says it kept, as JSON.
};

// Starts the opener, a process of its own that runs as `self` with two of our capabilities, if we have them: without,
// it reads what `self` may read, which Landlock takes from procmond. Before anything else is opened: it keeps nothing
// of it. Errors: Denied, Io.
Result<> start_opener(const Account& self, OpenedSources& out);

// The best that works here. Errors: what is asked for by name and does not work.
Result<> open_sources(const config::ProcmondConfig& config, OpenedSources& out);

}  // namespace de::daemon
