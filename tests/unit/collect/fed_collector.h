// A collector as procmond has it where the kernel offers BPF: fed with events, and listing by the iterator.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "collect/collector.h"
#include "collect/event_feed.h"
#include "kernel_support.h"

namespace de::collect::test {

class FedCollector : public testing::Test {
 protected:
  // Skips the test where there is no BPF, and fails it where there should be: then there is no collector.
  void open(const CollectorOptions& options) {
    auto feed = open_feed(FeedKind::Bpf, {}, system_clock());
    auto iterator = ProcessIterator::open();
    if ((!feed || !iterator) && !de::test::bpf_must_work()) GTEST_SKIP() << "no BPF here";
    ASSERT_TRUE(feed) << feed.error().message();
    ASSERT_TRUE(iterator) << iterator.error().message();
    auto made = Collector::create(options, system_clock(), std::move(*feed), std::move(*iterator));
    ASSERT_TRUE(made) << made.error().message();
    collector_ = std::move(*made);
  }
  void TearDown() override { collector_.reset(); }  // Before the directory it writes to is gone.
  std::unique_ptr<Collector> collector_;
};

}  // namespace de::collect::test
