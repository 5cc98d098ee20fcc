// A store that a newer version wrote is refused, and stays what it is.
#include <gtest/gtest.h>

#include "store_fixture.h"

namespace de::store {
namespace {

using FormatTest = StoreTest;

TEST_F(FormatTest, OfANewerAgentIsRefusedUntouchedAndSaysWhatToDo) {
  pb::EventBatch events;
  pb::ProcessEvent& event = *events.add_events();
  event.set_sequence(1);
  event.set_event_time_ms(kNoon);
  event.mutable_process()->set_process_uid(uid_of(1));
  ASSERT_TRUE(store_->append_events("procmond", "spool", events));
  store_.reset();
  const std::string day = dir_ / "store/2026-01-02/data.mdb";
  const std::string bytes = test::read_text(day);
  dir_.write("store/format", std::to_string(kStoreFormat + 1) + "\n");
  const auto opened = Store::open(options(), clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::Unsupported);
  const std::string message = opened.error().message();
  EXPECT_NE(message.find("written by a newer DaemonEye"), std::string::npos) << message;
  EXPECT_NE(message.find("move " + (dir_ / "store") + " away"), std::string::npos) << message;
  EXPECT_EQ(test::read_text(day), bytes);

  dir_.write("store/format", std::to_string(kStoreFormat) + "\n");
  open();
}

// Stores of before there was a mark.
TEST_F(FormatTest, IsSaidByAStoreThatHadNone) {
  store_.reset();
  std::filesystem::remove(dir_ / "store/format");
  open();
  EXPECT_EQ(test::read_text(dir_ / "store/format"), std::to_string(kStoreFormat) + "\n");
}

}  // namespace
}  // namespace de::store
