#include "collect/text_pool.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace de::collect {
namespace {

TEST(TextPool, KeepsEachTextOnceAndAsLongAsItIsUsed) {
  TextPool pool;
  TextPool::Ref first;
  TextPool::Ref second;
  pool.set(first, "nginx");
  pool.set(second, std::string("nginx"));
  EXPECT_EQ(pool.size(), 1u);
  EXPECT_EQ(first.get().data(), second.get().data());
  EXPECT_EQ(first, second);

  pool.set(second, "redis");
  EXPECT_EQ(pool.size(), 2u);
  EXPECT_NE(first, second);
  EXPECT_EQ(first.get(), "nginx");
  EXPECT_EQ(second.get(), "redis");
  pool.set(first, "redis");
  EXPECT_EQ(pool.size(), 1u);
}

TEST(TextPool, AnEmptyTextIsNoText) {
  TextPool pool;
  TextPool::Ref ref;
  pool.set(ref, "");
  EXPECT_EQ(pool.size(), 0u);
  EXPECT_EQ(ref, TextPool::Ref());
  pool.set(ref, std::string_view("\0", 1));
  EXPECT_EQ(ref.get().size(), 1u);
  pool.set(ref, "");
  EXPECT_EQ(pool.size(), 0u);
}

TEST(TextPool, CopiesAndMovesCount) {
  TextPool pool;
  TextPool::Ref kept;
  {
    TextPool::Ref ref;
    pool.set(ref, "a");
    TextPool::Ref copy = ref;
    const TextPool::Ref moved = std::move(ref);
    EXPECT_EQ(moved, copy);
    kept = copy;
    copy = TextPool::Ref();
  }
  EXPECT_EQ(kept.get(), "a");
  EXPECT_EQ(pool.size(), 1u);
  kept = TextPool::Ref();
  EXPECT_EQ(pool.size(), 0u);
}

TEST(TextPool, RefsStayGoodWhileItGrows) {
  TextPool pool;
  std::vector<TextPool::Ref> refs(1'000);
  for (std::size_t i = 0; i < refs.size(); ++i) pool.set(refs[i], std::to_string(i % 500));
  EXPECT_EQ(pool.size(), 500u);
  for (std::size_t i = 0; i < refs.size(); ++i) EXPECT_EQ(refs[i].get(), std::to_string(i % 500));
}

}  // namespace
}  // namespace de::collect
