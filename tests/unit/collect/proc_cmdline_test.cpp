#include "collect/linux/proc_cmdline.h"

#include <gmock/gmock.h>

namespace de::collect {
namespace {

using namespace std::string_view_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(SplitArguments, OnePerNul) {
  EXPECT_THAT(split_arguments("ls\0-l\0/tmp\0"sv, 10), ElementsAre("ls", "-l", "/tmp"));
}

TEST(SplitArguments, EmptyArgumentsAreArguments) {
  EXPECT_THAT(split_arguments("grep\0\0file\0"sv, 10), ElementsAre("grep", "", "file"));
  EXPECT_THAT(split_arguments("grep\0\0"sv, 10), ElementsAre("grep", ""));
}

TEST(SplitArguments, PaddingOfARewrittenTitleIsNone) {
  EXPECT_THAT(split_arguments("nginx: worker process\0\0\0\0\0\0\0"sv, 10), ElementsAre("nginx: worker process"));
  EXPECT_THAT(split_arguments("title without end"sv, 10), ElementsAre("title without end"));
}

TEST(SplitArguments, NothingButNuls) {
  EXPECT_THAT(split_arguments(""sv, 10), IsEmpty());
  EXPECT_THAT(split_arguments("\0"sv, 10), ElementsAre(""));
  EXPECT_THAT(split_arguments("\0\0\0\0\0"sv, 10), ElementsAre(""));
}

TEST(SplitArguments, StopsAtTheLimit) { EXPECT_THAT(split_arguments("a\0b\0c\0"sv, 2), ElementsAre("a", "b")); }

}  // namespace
}  // namespace de::collect
