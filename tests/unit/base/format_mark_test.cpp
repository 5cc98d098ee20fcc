#include "daemoneye/base/format_mark.h"

#include <gtest/gtest.h>

#include "temp_dir.h"

namespace de {
namespace {

TEST(FormatMark, IsWrittenOnceAndThenBinding) {
  const test::TempDir dir;
  ASSERT_TRUE(check_format(dir.path(), 1));
  EXPECT_EQ(test::read_text(dir / "format"), "1\n");
  EXPECT_TRUE(check_format(dir.path(), 1));
  EXPECT_EQ(check_format(dir.path(), 2).error().code(), Errc::Unsupported);
  EXPECT_EQ(test::read_text(dir / "format"), "1\n");
}

TEST(FormatMark, OfANewerVersionSaysWhatToDo) {
  const test::TempDir dir;
  dir.write("format", "12\n");
  const auto checked = check_format(dir.path(), 3);
  ASSERT_FALSE(checked);
  const std::string message = checked.error().message();
  for (const std::string& part : {std::string("a newer DaemonEye (format 12, this one knows 3)"), dir.path(),
                                  std::string("Install that version again, or move ")})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST(FormatMark, OfAnOlderVersionIsCalledOlder) {
  const test::TempDir dir;
  dir.write("format", "2\n");
  const auto checked = check_format(dir.path(), 3);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code(), Errc::Unsupported);
  EXPECT_NE(checked.error().message().find("an older DaemonEye (format 2, this one knows 3)"), std::string::npos)
      << checked.error().message();
}

// Somebody who may write there leads us neither to read nor to write elsewhere.
TEST(FormatMark, ThatIsALinkIsNotFollowed) {
  const test::TempDir dir;
  dir.write("elsewhere", "1\n");
  std::filesystem::create_symlink(dir / "elsewhere", dir / "format");
  EXPECT_EQ(check_format(dir.path(), 1).error().code(), Errc::Io);
  dir.write("elsewhere", "");
  EXPECT_EQ(check_format(dir.path(), 1).error().code(), Errc::Io);
  EXPECT_EQ(test::read_text(dir / "elsewhere"), "");
}

TEST(FormatMark, ThatIsNoNumberIsRefused) {
  const test::TempDir dir;
  for (const char* text : {"x\n", "1", "1x\n", "-1\n", "99999999999999999999999999999999999\n"}) {
    dir.write("format", text);
    EXPECT_EQ(check_format(dir.path(), 1).error().code(), Errc::Corrupt) << text;
  }
}

// Power went away between creating and writing it.
TEST(FormatMark, ThatIsEmptyIsWrittenAgain) {
  const test::TempDir dir;
  dir.write("format", "");
  EXPECT_TRUE(check_format(dir.path(), 4));
  EXPECT_EQ(test::read_text(dir / "format"), "4\n");
}

}  // namespace
}  // namespace de
