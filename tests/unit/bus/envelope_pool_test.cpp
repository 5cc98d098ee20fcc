// A message that was dealt with is used again, with nothing of what it held before.
#include "bus/envelope_pool.h"

#include <gtest/gtest.h>

namespace de::bus {
namespace {

TEST(EnvelopePool, ComesBackWhenTheLastOneLetsGo) {
  const auto pool = EnvelopePool::create();
  auto first = pool->take();
  const pb::Envelope* address = first.get();
  auto shared = pool->share(std::move(first), 100);
  std::shared_ptr<const pb::EventBatch> part(shared, &shared->publish().events());
  shared.reset();
  const auto other = pool->take();
  EXPECT_NE(other.get(), address) << "somebody still reads it";
  part.reset();
  EXPECT_EQ(pool->take().get(), address);
}

TEST(EnvelopePool, IsEmptyAndKeepsItsMemory) {
  const auto pool = EnvelopePool::create();
  auto first = pool->take();
  pb::Publish& publish = *first->mutable_publish();
  publish.set_topic("t");
  pb::ProcessRecord& record = *publish.mutable_events()->add_events()->mutable_process();
  record.set_pid(7);
  record.set_executable_path(std::string(100, 'x'));
  const void* address = &record;
  pool->share(std::move(first), 1).reset();
  const auto again = pool->take();
  ASSERT_TRUE(again->publish().has_events());
  EXPECT_EQ(again->publish().topic(), "");
  EXPECT_EQ(again->publish().events().events_size(), 0);
  const pb::ProcessRecord& reused = *again->mutable_publish()->mutable_events()->add_events()->mutable_process();
  EXPECT_EQ(static_cast<const void*>(&reused), address);
  EXPECT_EQ(reused.SerializeAsString(), "");
}

TEST(EnvelopePool, KeepsFewAndNoLargeOnes) {
  const auto pool = EnvelopePool::create();
  pool->share(pool->take(), EnvelopePool::kMaxBytes + 1).reset();
  EXPECT_EQ(pool->kept(), 0U);
  std::vector<std::shared_ptr<pb::Envelope>> many;
  for (std::size_t i = 0; i < 2 * EnvelopePool::kKept; ++i) many.push_back(pool->share(pool->take(), 1));
  many.clear();
  EXPECT_EQ(pool->kept(), EnvelopePool::kKept);
}

TEST(EnvelopePool, MayEndBeforeWhatItGaveOut) {
  auto pool = EnvelopePool::create();
  const auto shared = pool->share(pool->take(), 1);
  pool.reset();
  shared->mutable_ack()->set_sequence(7);
  EXPECT_EQ(shared->ack().sequence(), 7U);
}

}  // namespace
}  // namespace de::bus
