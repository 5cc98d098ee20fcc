#include "integrity/file_watch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "temp_dir.h"

namespace de::integrity {
namespace {

namespace fs = std::filesystem;

class FileWatchTest : public testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  // The watched file has this content from before; returns when it was written.
  fs::file_time_type watch_with(const std::string& text) {
    write(file, text);
    watch = FileWatch({file});
    return fs::last_write_time(file);
  }
  void write_as_if_at(fs::file_time_type time, const std::string& text) {
    write(file, text);
    fs::last_write_time(file, time);
  }
  // What the look says of the file, or "" for nothing; of several files, fails.
  std::string look() {
    const auto changes = watch.look();
    EXPECT_LE(changes.size(), 1U);
    return changes.empty() ? "" : changes[0].path.substr(dir.path().size() + 1) + " " + changes[0].what;
  }
  test::TempDir dir;
  const std::string file = dir.path() + "/file";
  FileWatch watch;
};

TEST_F(FileWatchTest, ToldOnceOfEachChange) {
  write(file, "as it was");
  watch = FileWatch({file, dir.path() + "/other"});
  EXPECT_EQ(look(), "");
  write(file, "as it is");
  EXPECT_EQ(look(), "file was written to");
  EXPECT_EQ(look(), "");
  ASSERT_EQ(::chmod(file.c_str(), 0777), 0);
  EXPECT_EQ(look(), "file has other rights or owners");
  write(dir.path() + "/new", "as it is");
  fs::rename(dir.path() + "/new", file);
  EXPECT_EQ(look(), "file was replaced");
  fs::remove(file);
  EXPECT_EQ(look(), "file was removed");
  EXPECT_EQ(look(), "");
  write(dir.path() + "/other", "");
  EXPECT_EQ(look(), "other was added");
}

TEST_F(FileWatchTest, SetTimesDoNotHideAChange) {
  const auto before = watch_with("as it was");
  write_as_if_at(before, "AS IT WAS");
  EXPECT_NE(look(), "");
}

TEST_F(FileWatchTest, WhatWasWrittenIsToldAsThat) {
  const auto before = watch_with("as it was");
  write_as_if_at(before, "as it was, and more");
  EXPECT_EQ(look(), "file was written to") << "it is longer";
  write(file, "AS IT WAS, AND MORE");
  const auto second = std::chrono::floor<std::chrono::seconds>(before);
  fs::last_write_time(file, second + std::chrono::milliseconds(before == second ? 1 : 0));
  EXPECT_EQ(look(), "file was written to") << "within the same second";
}

TEST_F(FileWatchTest, FollowsALinkToWhatItLeadsTo) {
  write(file, "x");
  fs::create_symlink(file, dir.path() + "/link");
  watch = FileWatch({dir.path() + "/link"});
  write(file, "xy");
  EXPECT_EQ(look(), "link was written to");
}

// The agent ended and began again in between.
TEST_F(FileWatchTest, WhatChangedWhileNobodyLookedIsToldAsThat) {
  const std::string other = dir.path() + "/other file", third = dir.path() + "/third", fourth = dir.path() + "/fourth";
  for (const std::string& path : {file, other, third}) write(path, "as it was");
  const std::string before = FileWatch({file, other, third, fourth}).to_text();
  watch = FileWatch({file, other, third, fourth}, before);
  EXPECT_TRUE(watch.look().empty()) << "nothing was";
  write(other, "as it is");
  fs::remove(third);
  write(fourth, "new");
  watch = FileWatch({file, other, third, fourth}, before);
  const auto changes = watch.look();
  ASSERT_EQ(changes.size(), 3U);
  for (const FileChange& change : changes) EXPECT_TRUE(change.while_away) << change.path;
  EXPECT_EQ(changes[0].path + " " + changes[0].what, fourth + " was added");
  EXPECT_EQ(changes[1].path + " " + changes[1].what, other + " was written to");
  EXPECT_EQ(changes[2].path + " " + changes[2].what, third + " was removed");
  write(file, "as it is now");
  ASSERT_EQ(watch.look().size(), 1U);
  write(file, "as it is");
  EXPECT_FALSE(watch.look().at(0).while_away) << "this one happened before our eyes";
}

TEST_F(FileWatchTest, AReplacedFileIsToldAsThatAlsoAfterwards) {
  write(file, "as it was");
  const std::string before = FileWatch({file}).to_text();
  write(dir.path() + "/new", "as it was");
  fs::rename(dir.path() + "/new", file);
  watch = FileWatch({file}, before);
  EXPECT_EQ(look(), "file was replaced");
}

TEST_F(FileWatchTest, WhatIsNoSuchTextOrOfOtherFilesIsPassedOver) {
  write(file, "as it is");
  for (const std::string& text :
       {std::string(), std::string("1 2 3\n"), std::string(100, '\n'), "x" + file,
        std::string("1 1 1 1 1 1 1 /another\n"), "1 1 1 1 1 1 99999999999999999999 " + file + "\n"}) {
    watch = FileWatch({file}, text);
    EXPECT_EQ(look(), "") << text;
  }
}

}  // namespace
}  // namespace de::integrity
