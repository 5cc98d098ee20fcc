// Texts that others want to find again after a restart.
#include "store_fixture.h"

namespace de::store {
namespace {

using Notes = StoreTest;

TEST_F(Notes, AreFoundAgainAndReplaced) {
  EXPECT_EQ(store_->find_note("files").value(), std::nullopt);
  ASSERT_TRUE(store_->put_note("files", "as it was"));
  const std::string large(100'000, 'x');
  ASSERT_TRUE(store_->put_note("other", large));
  open();
  EXPECT_EQ(store_->find_note("files").value(), "as it was");
  EXPECT_EQ(store_->find_note("other").value(), large);
  ASSERT_TRUE(store_->put_note("files", ""));
  EXPECT_EQ(store_->find_note("files").value(), "");
  EXPECT_TRUE(store_->stats()) << "the counters beside them are what they were";
}

}  // namespace
}  // namespace de::store
