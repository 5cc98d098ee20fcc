#include "service/program.h"

#include <gtest/gtest.h>

namespace de::service {
namespace {

TEST(Program, TellsItsExitCode) {
  EXPECT_EQ(run_program({"/bin/sh", "-c", "exit 7"}, 1, 2).value(), 7);
  EXPECT_EQ(run_program({"/bin/sh", "-c", "kill -9 $$"}, 1, 2).value(), 128 + 9);
}

TEST(Program, ThatIsNotThereIsNamed) {
  const auto ran = run_program({"/bin/there-is-none", "--now"}, 1, 2);
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().code(), Errc::NotFound);
  EXPECT_NE(ran.error().message().find("/bin/there-is-none"), std::string::npos) << ran.error().message();
}

TEST(Program, IsReadWithItsExitCode) {
  const auto printed = read_program({"/bin/sh", "-c", "echo one; echo two; exit 3"}, 2);
  ASSERT_TRUE(printed) << printed.error().message();
  EXPECT_EQ(printed->text, "one\ntwo\n");
  EXPECT_EQ(printed->exit_code, 3);
}

TEST(Program, ThatPrintsTooMuchIsRefusedAndStillEnds) {
  EXPECT_EQ(read_program({"/usr/bin/head", "-c", "1000000", "/dev/zero"}, 2).error().code(), Errc::TooLarge);
}

TEST(Program, GetsNothingOfOurEnvironment) {
  ::setenv("LD_LIBRARY_PATH", "/tmp/elsewhere", 1);
  const auto printed = read_program({"/usr/bin/env"}, 2);
  ::unsetenv("LD_LIBRARY_PATH");
  EXPECT_EQ(printed->text, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\nLC_ALL=C.UTF-8\n");
}

}  // namespace
}  // namespace de::service
