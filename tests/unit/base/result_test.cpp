#include "daemoneye/base/result.h"

#include <gtest/gtest.h>

namespace de {
namespace {

TEST(ResultDeathTest, ASuccessThatIsAskedForItsErrorEndsTheProgram) {
  const Result<int> number = 1;
  EXPECT_DEATH((void)number.error(), "");
  EXPECT_DEATH((void)Result<>().error(), "");
}

TEST(Result, AFailureTellsItsError) {
  const Result<int> failed = fail(Errc::Denied, "no");
  EXPECT_EQ(failed.error().code(), Errc::Denied);
  EXPECT_EQ(Result<>(fail(Errc::Closed, "gone")).error().message(), "gone");
}

}  // namespace
}  // namespace de
