#include "catalog/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "catalog_fixture.h"
#include "mirror/mirror.h"
#include "mirror/session.h"

namespace de::catalog {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kTable = "network.connections";

class CatalogTest : public testing::Test {
 protected:
  void join(const std::string& id, const pb::SchemaDescriptor& schema) {
    const auto good = catalog_.check(id, false, schema);
    ASSERT_TRUE(good) << good.error().message();
    catalog_.join(id, false, schema);
  }
  // Rows as text, or why not.
  std::vector<std::string> ask(const std::string& sql) {
    if (!session_) session_ = std::move(*mirror::Session::create(mirror::Origin::AdHoc, system_clock()));
    EXPECT_TRUE(session_->load(mirror::with_foreign(**mirror::empty_image(), catalog_.tables())));
    std::vector<std::string> out;
    missing_.clear();
    const auto done = session_->run(
        sql, {}, mirror::kAdHocBudget, [](const auto&) {},
        [&](std::span<const mirror::Value> row) {
          std::string text;
          for (const mirror::Value& value : row) {
            if (!text.empty()) text += '|';
            if (const auto* integer = std::get_if<std::int64_t>(&value)) text += std::to_string(*integer);
            if (const auto* view = std::get_if<std::string_view>(&value)) text += *view;
            if (std::holds_alternative<std::monostate>(value)) text += "NULL";
          }
          out.push_back(text);
          return true;
        });
    if (!done) return {done.error().what()};
    for (const pb::Reason& reason : done->missing) missing_.push_back(reason.reason() + ": " + reason.detail());
    return out;
  }

  Catalog catalog_{system_clock(), Limits{10, 4'096}};
  std::unique_ptr<mirror::Session> session_;
  std::vector<std::string> missing_;
};

TEST_F(CatalogTest, AToldTableIsReadWithSql) {
  join("netmond", one_table(kTable));
  pb::TableRows rows = telling(kTable);
  add_row(rows, 7, "10.0.0.1", 0.5);
  add_row(rows, 8, "10.0.0.2", 1.5);
  rows.add_rows()->add_cells()->set_int_value(9);
  rows.mutable_rows(2)->add_cells();
  rows.mutable_rows(2)->add_cells();
  const auto taken = catalog_.take("netmond", std::move(rows));
  ASSERT_TRUE(taken && *taken);
  EXPECT_THAT(ask("SELECT pid, address FROM network.connections"), ElementsAre("7|10.0.0.1", "8|10.0.0.2", "9|NULL"));
  EXPECT_THAT(ask("SELECT address FROM connections WHERE pid = 8"), ElementsAre("10.0.0.2"));
  EXPECT_THAT(ask("SELECT count(*) FROM network.connections"), ElementsAre("3"));
  EXPECT_THAT(ask("SELECT pid FROM network.connections WHERE pid = '8'"), ElementsAre("8"));
  EXPECT_THAT(ask("SELECT pid FROM network.connections WHERE pid = 8.0"), ElementsAre("8"));
  EXPECT_THAT(ask("SELECT pid FROM network.connections WHERE pid = NULL"), IsEmpty());
  EXPECT_THAT(ask("SELECT a.pid FROM network.connections a JOIN network.connections b ON b.pid = a.pid + 1"),
              ElementsAre("7", "8"));
  EXPECT_THAT(missing_, IsEmpty());
}

TEST_F(CatalogTest, ATableThatIsDescribedAndNotToldYetSaysSo) {
  join("netmond", one_table(kTable));
  EXPECT_THAT(ask("SELECT pid FROM network.connections"), IsEmpty());
  EXPECT_THAT(missing_, ElementsAre(HasSubstr("nothing has come from collector netmond yet")));
}

TEST_F(CatalogTest, ATableGoesWithItsCollectorAndComesBack) {
  join("netmond", one_table(kTable));
  catalog_.leave("netmond");
  EXPECT_THAT(ask("SELECT pid FROM network.connections"),
              ElementsAre(HasSubstr("is told by collector netmond, which has been gone since")));
  join("netmond", one_table(kTable));
  EXPECT_THAT(ask("SELECT count(*) FROM network.connections"), ElementsAre("0"));
  pb::SchemaDescriptor other = one_table(kTable);
  other.mutable_tables(0)->mutable_columns(1)->set_name("peer");
  catalog_.leave("netmond");
  join("netmond", other);
  EXPECT_THAT(ask("SELECT address FROM network.connections"), ElementsAre(HasSubstr("no such column: address")));
  EXPECT_THAT(ask("SELECT count(peer) FROM network.connections"), ElementsAre("0"));
}

TEST_F(CatalogTest, NobodyTellsTheTableOfAnother) {
  join("netmond", one_table(kTable));
  const auto refused = catalog_.check("other", false, one_table(kTable));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what(), HasSubstr("is told by collector netmond already"));
  EXPECT_TRUE(catalog_.check("netmond", false, one_table(kTable)));
  EXPECT_FALSE(catalog_.take("other", telling(kTable)));
  EXPECT_FALSE(catalog_.take("netmond", telling("network.others")));
}

TEST_F(CatalogTest, OnlySoManyNamesBeforeADot) {
  for (std::size_t i = 0; i < mirror::kMaxNamespaces; ++i)
    join("c" + std::to_string(i), one_table("n" + std::to_string(i) + ".t"));
  EXPECT_EQ(catalog_.check("more", false, one_table("more.t")).error().code(), Errc::Exhausted);
  EXPECT_TRUE(catalog_.check("more", false, one_table("n0.other")));
  for (std::size_t i = 0; i < mirror::kMaxNamespaces; ++i)
    EXPECT_THAT(ask("SELECT count(*) FROM n" + std::to_string(i) + ".t"), ElementsAre("0"));
}

TEST_F(CatalogTest, PartsComeInOrderAndOfTheRightShape) {
  join("netmond", one_table(kTable));
  pb::TableRows part = telling(kTable);
  part.set_last(false);
  add_row(part, 1, "a", 1);
  const auto first = catalog_.take("netmond", pb::TableRows(part));
  ASSERT_TRUE(first);
  EXPECT_FALSE(*first);
  EXPECT_THAT(ask("SELECT pid FROM network.connections"), IsEmpty()) << "half of it is nothing";
  pb::TableRows skipping = part;
  skipping.set_chunk(2);
  EXPECT_EQ(catalog_.take("netmond", pb::TableRows(skipping)).error().code(), Errc::Corrupt);
  part.set_chunk(1);
  part.set_last(true);
  ASSERT_TRUE(catalog_.take("netmond", pb::TableRows(part)));
  EXPECT_THAT(ask("SELECT pid FROM network.connections"), ElementsAre("1", "1"));
  pb::TableRows shorter = telling(kTable, 2);
  shorter.add_rows()->add_cells()->set_int_value(1);
  EXPECT_THAT(catalog_.take("netmond", std::move(shorter)).error().what(), HasSubstr("a row of 1 values"));
  pb::TableRows other = telling(kTable, 3);
  add_row(other, 1, "a", 1);
  other.mutable_rows(0)->mutable_cells(0)->set_string_value("one");
  EXPECT_THAT(catalog_.take("netmond", std::move(other)).error().what(), HasSubstr("a value that is not INTEGER"));
}

TEST_F(CatalogTest, MoreRowsThanThereIsRoomForAreShedAndCounted) {
  join("netmond", one_table(kTable));
  pb::TableRows few = telling(kTable);
  for (int i = 0; i < 10; ++i) add_row(few, i, "a", 1);
  ASSERT_TRUE(catalog_.take("netmond", std::move(few)));
  EXPECT_THAT(catalog_.reasons(), IsEmpty());
  pb::TableRows many = telling(kTable, 2);
  for (int i = 0; i < 11; ++i) add_row(many, i, "b", 1);
  const auto taken = catalog_.take("netmond", std::move(many));
  ASSERT_TRUE(taken);
  EXPECT_FALSE(*taken);
  EXPECT_EQ(catalog_.counts().shed, 1U);
  EXPECT_THAT(ask("SELECT DISTINCT address FROM network.connections"), ElementsAre("a")) << "what was before stays";
  ASSERT_EQ(catalog_.reasons().size(), 1U);
  EXPECT_THAT(catalog_.reasons().front().detail(), HasSubstr("tables.max_rows"));
  pb::TableRows wide = telling(kTable, 3);
  for (int i = 0; i < 9; ++i) add_row(wide, i, std::string(1'000, 'c'), 1);
  ASSERT_TRUE(catalog_.take("netmond", std::move(wide)));
  EXPECT_EQ(catalog_.counts().shed, 2U);
  pb::TableRows one = telling(kTable, 4);
  add_row(one, 1, "d", 1);
  ASSERT_TRUE(catalog_.take("netmond", std::move(one)));
  EXPECT_THAT(catalog_.reasons(), IsEmpty());
  EXPECT_THAT(ask("SELECT address FROM network.connections"), ElementsAre("d"));
}

TEST_F(CatalogTest, ItsGenerationIsOfTheTablesAlone) {
  join("netmond", one_table(kTable));
  const std::uint64_t first = catalog_.tables()->generation;
  join("other", {});
  pb::TableRows rows = telling(kTable);
  add_row(rows, 1, "a", 1);
  ASSERT_TRUE(catalog_.take("netmond", std::move(rows)));
  join("netmond", one_table(kTable));
  EXPECT_EQ(catalog_.tables()->generation, first) << "the same tables, whoever comes";
  catalog_.leave("other");
  EXPECT_EQ(catalog_.tables()->generation, first);
  catalog_.leave("netmond");
  EXPECT_NE(catalog_.tables()->generation, first);
}

TEST_F(CatalogTest, AHostileTellingLeavesNothingBehind) {
  join("netmond", one_table(kTable));
  for (std::uint64_t scan = 1; scan < 200; ++scan) {
    pb::TableRows part = telling(kTable, scan);
    part.set_last(false);
    add_row(part, 1, std::string(1'000, 'x'), 1);
    ASSERT_TRUE(catalog_.take("netmond", std::move(part)));
  }
  EXPECT_LE(catalog_.counts().bytes, 2'000U);
}

}  // namespace
}  // namespace de::catalog
