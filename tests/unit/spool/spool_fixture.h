// A spool in a directory of its own, and everything that can be read back from it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "spool/spool.h"

namespace de::spool {

class FixedClock final : public Clock {
 public:
  std::int64_t unix_ms() const override { return now_ms; }
  std::int64_t steady_ns() const override { return now_ms * 1'000'000; }
  std::int64_t now_ms = 5'000'000;
};

// Everything a spool gives back after `from`: events by sequence, and gaps.
struct Content {
  std::map<std::uint64_t, pb::ProcessEvent> events;
  std::vector<pb::Gap> gaps;

  std::uint64_t lost() const {
    std::uint64_t sum = 0;
    for (const pb::Gap& gap : gaps) sum += gap.last_sequence() - gap.first_sequence() + 1;
    return sum;
  }
};

class SpoolTest : public ::testing::Test {
 protected:
  SpoolTest() {
    // Memory where there is some: a test opens the spool a thousand times, and each time syncs.
    char fast[] = "/dev/shm/de_spool_XXXXXX";
    char slow[] = "/tmp/de_spool_XXXXXX";
    const char* made = ::mkdtemp(fast);
    root_ = made != nullptr ? made : ::mkdtemp(slow);
    options_ = {root_ + "/spool", 64 * 1024, 8 * 1024, "11111111-2222-4333-8444-555555555555"};
  }
  ~SpoolTest() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<Spool> open() {
    auto spool = Spool::open(options_, clock_);
    EXPECT_TRUE(spool) << spool.error().message();
    return spool ? std::move(*spool) : nullptr;
  }
  // Events with pid == the sequence they will get, 100 ms apart.
  static std::vector<pb::ProcessEvent> events(std::uint64_t first, std::size_t count, std::size_t padding = 20) {
    std::vector<pb::ProcessEvent> made(count);
    for (std::size_t i = 0; i < count; ++i) {
      made[i].mutable_process()->set_pid(static_cast<std::uint32_t>(first + i));
      made[i].mutable_process()->set_name(std::string(padding, 'n'));
      made[i].set_event_time_ms(static_cast<std::int64_t>((first + i) * 100));
    }
    return made;
  }
  static EncodedEvents encode(const std::vector<pb::ProcessEvent>& made) {
    EncodedEvents encoded;
    for (const pb::ProcessEvent& event : made) encoded.add(event);
    return encoded;
  }
  // Batches and gaps as the agent reads them.
  static Result<std::vector<pb::Publish>> read_after(Spool& spool, std::uint64_t sequence, std::size_t max_events) {
    DE_TRY(outgoing, spool.read_after(sequence, max_events));
    std::vector<pb::Publish> publishes;
    for (const Outgoing& out : outgoing) {
      pb::Envelope envelope;
      EXPECT_TRUE(envelope.ParseFromString(out.envelope));
      EXPECT_EQ(envelope.publish().events().events_size(), static_cast<int>(out.events));
      publishes.push_back(envelope.publish());
    }
    return publishes;
  }
  static Result<> add(Spool& spool, std::size_t count, std::size_t padding = 20) {
    auto made = events(spool.last_sequence() + 1, count, padding);
    return spool.append(encode(made));
  }
  static Content read_all(Spool& spool, std::uint64_t from, std::size_t per_call = 1000) {
    Content content;
    std::uint64_t at = std::max(from, spool.acked_sequence());
    while (at < spool.last_sequence()) {
      const auto publishes = read_after(spool, at, per_call);
      if (!publishes || publishes->empty()) {
        ADD_FAILURE() << "read_after(" << at << ") gives nothing";
        break;
      }
      for (const pb::Publish& publish : *publishes) {
        if (publish.has_gap()) {
          EXPECT_EQ(publish.gap().first_sequence(), at + 1);
          EXPECT_FALSE(publish.gap().reason().empty());
          EXPECT_LE(publish.gap().from_ms(), publish.gap().to_ms());
          at = publish.gap().last_sequence();
          content.gaps.push_back(publish.gap());
          continue;
        }
        EXPECT_LE(publish.events().events_size(), 256);
        for (const pb::ProcessEvent& event : publish.events().events()) {
          EXPECT_EQ(event.sequence(), ++at);
          EXPECT_EQ(event.process().pid(), event.sequence());
          content.events.emplace(event.sequence(), event);
        }
      }
    }
    EXPECT_EQ(at, spool.last_sequence());
    return content;
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> names;
    for (const auto& item : std::filesystem::directory_iterator(options_.dir))
      if (segment_number(item.path().filename().string()) != 0) names.push_back(item.path().string());
    std::sort(names.begin(), names.end());
    return names;
  }
  static std::string slurp(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
  }
  static void put(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
  static void books_balance(const Spool& spool) {
    const SpoolCounts counts = spool.counts();
    EXPECT_EQ(counts.appended, counts.written + counts.refused);
  }

  FixedClock clock_;
  std::string root_;
  SpoolOptions options_;
};

}  // namespace de::spool
