#include "serve/reply_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "temp_dir.h"

namespace de::serve {
namespace {

namespace fs = std::filesystem;

pb::Row row_of_bytes(std::size_t bytes, std::int64_t number) {
  pb::Row row;
  row.add_values()->set_integer(number);
  row.add_values()->set_text(std::string(bytes, static_cast<char>('a' + number % 26)));
  return row;
}

// Files without a name that this process has open below `dir`.
std::size_t open_files(const std::string& dir) {
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code ec;
    const std::string target = fs::read_symlink(entry.path(), ec).string();
    if (target.starts_with(dir) && target.ends_with(" (deleted)")) ++count;
  }
  return count;
}

struct Read {
  std::vector<pb::Row> rows;
  std::size_t pages = 0;
  std::size_t largest_page = 0;
};

Read read_all(ReplyRows& rows) {
  Read out;
  for (;;) {
    auto page = rows.next_page();
    EXPECT_TRUE(page) << page.error().message();
    if (!page || !*page) return out;
    pb::ControlReply reply;
    EXPECT_TRUE(reply.ParseFromString(**page));
    EXPECT_TRUE(reply.has_page());
    ++out.pages;
    out.largest_page = std::max(out.largest_page, (**page).size());
    for (const pb::Row& row : reply.page().rows()) out.rows.push_back(row);
  }
}

struct ReplyRowsTest : testing::Test {
  test::TempDir dir;
};

TEST_F(ReplyRowsTest, ComeInOrderFromMemoryAndFromTheFile) {
  ReplyRows rows(dir.path());
  constexpr int kRows = 20'000;
  for (int i = 0; i < kRows; ++i) ASSERT_TRUE(rows.add(row_of_bytes(100, i)));
  EXPECT_EQ(rows.size(), std::uint64_t{kRows});
  EXPECT_GT(rows.bytes(), 4 * ReplyRows::kInMemoryBytes);
  EXPECT_EQ(open_files(dir.path()), 1U);
  EXPECT_TRUE(fs::is_empty(dir.path())) << "it has no name";
  const Read read = read_all(rows);
  ASSERT_EQ(read.rows.size(), std::size_t{kRows});
  for (int i = 0; i < kRows; ++i)
    ASSERT_EQ(read.rows[static_cast<std::size_t>(i)].SerializeAsString(), row_of_bytes(100, i).SerializeAsString())
        << i;
  EXPECT_GE(read.pages, 8U);
  EXPECT_LT(read.largest_page, 2 * ReplyRows::kPageBytes);
}

TEST_F(ReplyRowsTest, FewStayInMemory) {
  ReplyRows rows(dir.path());
  for (int i = 0; i < 4'000; ++i) ASSERT_TRUE(rows.add(row_of_bytes(100, i)));
  EXPECT_LT(rows.bytes(), ReplyRows::kInMemoryBytes);
  EXPECT_EQ(open_files(dir.path()), 0U);
  EXPECT_EQ(read_all(rows).rows.size(), 4'000U);
  ReplyRows none(dir.path());
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(read_all(none).pages, 0U);
}

TEST_F(ReplyRowsTest, TheFileGoesWithTheAnswer) {
  {
    ReplyRows rows(dir.path());
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(rows.add(row_of_bytes(ReplyRows::kPageBytes, i)));
    EXPECT_EQ(open_files(dir.path()), 1U);
  }
  EXPECT_EQ(open_files(dir.path()), 0U);
}

TEST_F(ReplyRowsTest, ARowOfAnySizeThatAFrameCarriesIsAPageOfItsOwn) {
  ReplyRows rows(dir.path());
  ASSERT_TRUE(rows.add(row_of_bytes(10, 0)));
  ASSERT_TRUE(rows.add(row_of_bytes(ReplyRows::kMaxRowBytes - 100, 1)));
  ASSERT_TRUE(rows.add(row_of_bytes(10, 2)));
  EXPECT_FALSE(rows.add(row_of_bytes(ReplyRows::kMaxRowBytes, 3)));
  EXPECT_EQ(rows.outcome().error().code(), Errc::TooLarge);
  EXPECT_NE(rows.outcome().error().message().find("row 4 has"), std::string::npos);
  EXPECT_FALSE(rows.add(row_of_bytes(10, 4))) << "nothing comes after it";
  const Read read = read_all(rows);
  EXPECT_EQ(read.pages, 3U);
  EXPECT_EQ(read.rows.size(), 3U);
}

TEST_F(ReplyRowsTest, WhereThereIsNoRoomThatIsSaid) {
  ReplyRows rows(dir / "none");
  bool added = true;
  for (int i = 0; added && i < 8; ++i) added = rows.add(row_of_bytes(ReplyRows::kPageBytes, i));
  EXPECT_FALSE(added);
  EXPECT_NE(rows.outcome().error().message().find(dir / "none"), std::string::npos);
}

}  // namespace
}  // namespace de::serve
