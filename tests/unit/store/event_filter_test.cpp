// What a filter finds is what a look at every event would have found, in the order of time.
#include <algorithm>

#include "random_event.h"
#include "store_fixture.h"

namespace de::store {
namespace {

using Found = std::vector<std::uint64_t>;  // Sequences, in the order in which they came.

class Filters : public StoreTest {
 protected:
  void append(std::uint64_t count, std::int64_t from_ms, std::int64_t span_ms) {
    pb::EventBatch batch;
    for (std::uint64_t n = 0; n < count; ++n) {
      given_.push_back(random_.common(given_.size() + 1, from_ms, span_ms));
      *batch.add_events() = given_.back();
    }
    const auto appended = store_->append_events("c", "s", batch);
    ASSERT_TRUE(appended) << appended.error().message();
  }
  Found find(const EventFilter& filter, std::size_t limit = SIZE_MAX) {
    Found out;
    const auto found = store_->find_events(filter, [&](std::string_view collector, const pb::ProcessEvent& event) {
      EXPECT_EQ(collector, "c");
      EXPECT_EQ(event.SerializeAsString(), given_.at(event.sequence() - 1).SerializeAsString());
      out.push_back(event.sequence());
      return out.size() < limit;
    });
    EXPECT_TRUE(found) << (found ? "" : found.error().message());
    if (!found) return out;
    EXPECT_EQ(found->rows, out.size());
    EXPECT_EQ(found->stopped, out.size() == limit);
    EXPECT_EQ(found->position, given_.size());
    return out;
  }
  // Positions are sequences here: one collector, and nothing was stored out of order.
  Found brute_force(const EventFilter& filter, std::size_t limit = SIZE_MAX) const {
    std::vector<const pb::ProcessEvent*> chosen;
    for (const pb::ProcessEvent& event : given_)
      if (wants(filter, event)) chosen.push_back(&event);
    std::stable_sort(chosen.begin(), chosen.end(), [](const pb::ProcessEvent* a, const pb::ProcessEvent* b) {
      return a->event_time_ms() < b->event_time_ms();
    });
    if (filter.newest_first) std::reverse(chosen.begin(), chosen.end());
    Found out;
    for (const pb::ProcessEvent* event : chosen)
      if (out.size() < limit) out.push_back(event->sequence());
    return out;
  }
  static bool wants(const EventFilter& filter, const pb::ProcessEvent& event) {
    const pb::ProcessRecord& process = event.process();
    if (event.event_time_ms() < filter.from_ms || event.event_time_ms() >= filter.to_ms) return false;
    if (event.sequence() <= filter.after) return false;
    if (filter.type && event.event_type() != *filter.type) return false;
    if (filter.pid && (!event.has_process() || process.pid() != *filter.pid)) return false;
    if (filter.ppid && (!process.has_ppid() || process.ppid() != *filter.ppid)) return false;
    if (!filter.process_uid.empty() && process.process_uid() != filter.process_uid) return false;
    if (!filter.name.empty() && process.name() != filter.name) return false;
    return filter.executable_hash.empty() || process.executable_hash() == filter.executable_hash;
  }
  // Each constraint with the given chance in a hundred; values that exist and values that do not.
  EventFilter any_filter(std::uint64_t chance) {
    EventFilter filter;
    const auto with = [&] { return random_.below(100) < chance; };
    const auto number = [&] { return static_cast<std::uint32_t>(random_.below(44)); };
    if (with()) filter.from_ms = kNoon + static_cast<std::int64_t>(random_.below(60'000));
    if (with()) filter.to_ms = kNoon + static_cast<std::int64_t>(random_.below(60'000));
    if (with()) filter.pid = number();
    if (with()) filter.ppid = number() / 5;
    if (with()) filter.process_uid = std::string(16, static_cast<char>(number()));
    if (with()) filter.name = "name-" + std::to_string(random_.below(9));
    if (with()) filter.executable_hash = "hash-" + std::to_string(random_.below(9));
    if (with()) filter.type = static_cast<pb::EventType>(random_.below(8));
    if (with()) filter.after = random_.below(given_.size() + 10);
    filter.newest_first = random_.below(2) == 0;
    return filter;
  }

  RandomEvents random_{11};
  std::vector<pb::ProcessEvent> given_;
};

TEST_F(Filters, FindWhatALookAtEveryEventFinds) {
  for (std::int64_t n = 0; n < 40; ++n) append(1 + random_.below(300), kNoon + n * 1000, 5000);
  std::size_t found = 0;
  for (int n = 0; n < 300; ++n) {
    SCOPED_TRACE(n);
    const EventFilter filter = any_filter(n % 3 == 0 ? 12 : 25);
    const std::size_t limit = n % 4 == 0 ? 1 + random_.below(20) : SIZE_MAX;
    const Found here = find(filter, limit);
    EXPECT_EQ(here, brute_force(filter, limit));
    found += here.size();
    if (HasFailure()) break;
  }
  EXPECT_GT(found, 1000u);
}

TEST_F(Filters, InPiecesAndInPartsAsAtOnce) {
  for (std::int64_t n = 0; n < 30; ++n) append(1 + random_.below(300), kNoon - 20 * kHourMs + n * 1000, 25 * kHourMs);
  const std::size_t stored = given_.size();
  std::size_t seen = 0;
  for (int n = 0; n < 150; ++n) {
    SCOPED_TRACE(n);
    EventFilter filter = any_filter(n % 3 == 0 ? 0 : 15);
    filter.after = std::min<std::uint64_t>(filter.after, stored);
    filter.parts = static_cast<schema::EventParts>(random_.below(schema::kAllParts + 1U));
    const Found expected = brute_force(filter);
    auto reading = store_->read_events(filter);
    ASSERT_TRUE(reading) << reading.error().message();
    Found found;
    for (bool more = true; more;) {
      const std::size_t wanted = found.size() + random_.below(400);
      const auto left = (*reading)->next([&](std::string_view collector, const pb::ProcessEvent& event) {
        if (found.size() >= wanted) return false;
        EXPECT_EQ(collector, "c");
        for (const auto& column : schema::event_columns())
          if ((schema::parts_of(column.name) & ~filter.parts) == 0) {
            EXPECT_EQ(column.read(event), column.read(given_.at(event.sequence() - 1))) << column.name;
          }
        found.push_back(event.sequence());
        return true;
      });
      ASSERT_TRUE(left) << left.error().message();
      more = *left;
      if (n % 10 == 0 && found.size() < 600) append(1, kNoon - kHourMs, 2 * kHourMs);  // Not of that moment any more.
    }
    EXPECT_EQ(found, expected);
    seen += found.size();
    if (HasFailure()) break;
  }
  EXPECT_GT(seen, 10'000u);
}

TEST_F(Filters, AUidOfAnyLengthIsInItsPart) {
  pb::EventBatch batch;
  for (std::uint64_t n = 0; n < 2'000; ++n) {
    pb::ProcessEvent& event = *batch.add_events();
    event.set_sequence(n + 1);
    event.set_event_time_ms(kNoon);
    event.mutable_process()->set_process_uid(n % 100 == 0 ? "short" : std::string(16, static_cast<char>(n)));
    given_.push_back(event);
  }
  ASSERT_TRUE(store_->append_events("c", "s", batch));
  EventFilter filter;
  filter.parts = schema::kWhoPart;
  auto reading = store_->read_events(filter);
  ASSERT_TRUE(reading) << reading.error().message();
  std::size_t seen = 0;
  ASSERT_TRUE((*reading)->next([&](std::string_view, const pb::ProcessEvent& event) {
    EXPECT_EQ(event.process().process_uid(), given_.at(event.sequence() - 1).process().process_uid());
    ++seen;
    return true;
  }));
  EXPECT_EQ(seen, given_.size());
}

TEST_F(Filters, AReadingEndsWhereTheStoreEndedWhenItBegan) {
  append(500, kNoon, 5'000);
  auto reading = store_->read_events(EventFilter{});
  ASSERT_TRUE(reading) << reading.error().message();
  append(2'000, kNoon, 5'000);  // Its last piece is in a full block now.
  std::size_t seen = 0;
  ASSERT_TRUE((*reading)->next([&](std::string_view, const pb::ProcessEvent& event) {
    EXPECT_LE(event.sequence(), 500U);
    ++seen;
    return true;
  }));
  EXPECT_EQ(seen, 500U);
}

TEST_F(Filters, EachAlone) {
  for (std::int64_t n = 0; n < 8; ++n) append(400, kNoon + n * 1000, 5000);
  for (int which = 0; which < 8; ++which) {
    SCOPED_TRACE(which);
    EventFilter filter;
    if (which == 0) filter.from_ms = kNoon + 4000;
    if (which == 1) filter.to_ms = kNoon + 4000;
    if (which == 2) filter.pid = 7;
    if (which == 3) filter.ppid = 3;
    if (which == 4) filter.process_uid = std::string(16, '\x07');
    if (which == 5) filter.name = "name-3";
    if (which == 6) filter.executable_hash = "hash-3";
    if (which == 7) filter.type = pb::EVENT_TYPE_EXEC;
    const Found found = find(filter);
    EXPECT_EQ(found, brute_force(filter));
    EXPECT_FALSE(found.empty());
    EXPECT_LT(found.size(), given_.size());
  }
  EventFilter odd;
  odd.process_uid = "short";
  EXPECT_EQ(store_->find_events(odd, [](auto, auto&) { return true; }).error().code(), Errc::Invalid);
}

TEST_F(Filters, ManyBlocksThatOverlapAreMergedInLittleMemory) {
  // Every block covers ten hours: twice as many of them as may be open at once.
  for (int n = 0; n < 40; ++n) append(2000, kNoon, 10 * kHourMs);
  for (const bool newest_first : {false, true}) {
    EventFilter filter;
    filter.newest_first = newest_first;
    EXPECT_EQ(find(filter, 2000), brute_force(filter, 2000));
    filter.pid = 7;
    EXPECT_EQ(find(filter), brute_force(filter));
  }
}

TEST_F(Filters, TextsAreAskedOnceForManyEvents) {
  append(5'000, kNoon, 600'000);
  std::map<std::string, std::size_t> names;
  for (const pb::ProcessEvent& event : given_) ++names[event.process().name()];
  for (const auto& [name, count] : names) {
    if (name.empty()) continue;
    std::size_t asked = 0;
    EventFilter filter;
    filter.any_text = [&](std::string_view text) {
      ++asked;
      return text.find(name) != text.npos;
    };
    std::uint64_t seen = 0, of_that_name = 0;
    const auto found = store_->find_events(filter, [&](std::string_view, const pb::ProcessEvent& event) {
      ++seen;
      of_that_name += event.process().name() == name ? 1U : 0U;
      return true;
    });
    ASSERT_TRUE(found);
    EXPECT_EQ(of_that_name, count) << name;
    EXPECT_EQ(found->rows, seen);
    EXPECT_EQ(found->rows + found->passed_over, given_.size());
    EXPECT_LT(asked, 6 * given_.size());
  }
  EventFilter nobody;
  nobody.any_text = [](std::string_view) { return false; };
  EXPECT_TRUE(find(nobody).empty());
  EventFilter all;
  all.any_text = [](std::string_view) { return true; };
  EXPECT_EQ(find(all), brute_force({}));
  all.newest_first = true;
  all.type = pb::EVENT_TYPE_EXIT;
  EventFilter same = all;
  same.any_text = nullptr;
  EXPECT_EQ(find(all), brute_force(same));
}

TEST_F(Filters, DaysAreReadInTheOrderThatIsAskedFor) {
  append(50, kMidnight - 1000, 2000);
  append(50, kMidnight - 1000, 2000);
  EXPECT_EQ(store_->stats()->days.size(), 2u);
  EventFilter filter;
  EXPECT_EQ(find(filter).size(), 100u);
  std::vector<std::int64_t> times;
  filter.newest_first = true;
  ASSERT_TRUE(store_->find_events(filter, [&](std::string_view, const pb::ProcessEvent& event) {
    times.push_back(event.event_time_ms());
    return true;
  }));
  EXPECT_TRUE(std::is_sorted(times.rbegin(), times.rend()));
}

TEST_F(Filters, APositionFollowsWhatIsNew) {
  append(1500, kNoon, 1000);
  EventFilter filter;
  filter.to_ms = 0;
  const auto begin = store_->find_events(filter, [](auto, auto&) { return true; });
  ASSERT_TRUE(begin);
  EXPECT_EQ(begin->rows, 0u);
  EXPECT_EQ(begin->position, 1500u);
  filter = {};
  filter.after = begin->position;
  std::size_t seen = 1500;
  for (int n = 0; n < 40; ++n) {
    if (n == 20) open();  // Positions outlive the agent.
    const std::uint64_t count = random_.below(100);
    // An event may be from before those that were seen, and of yesterday.
    append(count, n % 5 == 0 ? kNoon - 20 * kHourMs : kNoon - 500, 1000);
    const auto found = store_->find_events(filter, [&](std::string_view, const pb::ProcessEvent& event) {
      EXPECT_GT(event.sequence(), seen);
      return true;
    });
    ASSERT_TRUE(found);
    EXPECT_EQ(found->rows, count);
    seen += count;
    filter.after = found->position;
  }
}

}  // namespace
}  // namespace de::store
