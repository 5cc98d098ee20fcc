#include "daemoneye/schema/event_columns.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "cell_text.h"
#include "daemoneye/schema/process_columns.h"

namespace de::schema {
namespace {

Cell read(const pb::ProcessEvent& event, std::string_view column) {
  for (const auto& c : event_columns())
    if (c.name == column) return c.read(event);
  ADD_FAILURE() << "no column " << column;
  return {};
}

TEST(EventColumns, HaveUniqueNamesAndHelp) {
  std::set<std::string_view> seen{kCollectorColumn.name};
  for (const auto& c : event_columns()) {
    EXPECT_TRUE(seen.insert(c.name).second) << c.name << " appears twice";
    EXPECT_FALSE(c.help.empty()) << c.name;
  }
}

// A field nobody can query is a field nobody checks.
TEST(EventColumns, ShowEveryFieldOfTheMessage) {
  std::set<std::string> names;
  for (const auto& c : event_columns()) names.insert(std::string(c.name));
  const auto* message = pb::ProcessEvent::descriptor();
  for (int i = 0; i < message->field_count(); ++i) {
    const std::string& field = message->field(i)->name();
    EXPECT_TRUE(names.contains(field) || field == "process") << field;
  }
}

// A rule that asks for another word is told that it can never match: nothing may be missing here.
TEST(EventColumns, HaveNoWordsButThese) {
  const auto all_of = [](const google::protobuf::EnumDescriptor& values, std::string_view column, auto&& set) {
    std::set<std::string> seen;
    for (int i = 0; i <= values.value_count(); ++i) {
      pb::ProcessEvent event;
      set(event, i < values.value_count() ? values.value(i)->number() : 77);
      const std::string word = text(read(event, column));
      if (word != "NULL") seen.insert(word);
    }
    const auto words = words_of(column);
    EXPECT_EQ(seen, std::set<std::string>(words.begin(), words.end())) << column;
  };
  all_of(*pb::EventType_descriptor(), "event_type",
         [](auto& event, int value) { event.set_event_type(static_cast<pb::EventType>(value)); });
  all_of(*pb::Severity_descriptor(), "severity",
         [](auto& event, int value) { event.set_severity(static_cast<pb::Severity>(value)); });
  all_of(*pb::OnDiskState_descriptor(), "on_disk_state", [](auto& event, int value) {
    event.mutable_process()->set_on_disk_state(static_cast<pb::OnDiskState>(value));
  });
  all_of(*pb::RecordSource_descriptor(), "source",
         [](auto& event, int value) { event.mutable_process()->set_source(static_cast<pb::RecordSource>(value)); });
  EXPECT_TRUE(words_of("name").empty());
}

TEST(EventColumns, GiveEveryColumnOfTheProcess) {
  pb::ProcessEvent event;
  pb::ProcessRecord& process = *event.mutable_process();
  process.set_pid(7);
  process.set_name("sh");
  process.add_command_line("sh");
  process.add_command_line("-c");
  process.set_user_id("1000");
  process.set_platform_data("{}");
  process.set_process_uid(std::string(16, '\x01'));
  for (const auto& column : process_columns()) EXPECT_EQ(read(event, column.name), column.read(process)) << column.name;
}

TEST(EventColumns, UnknownIsNullAndNeverZero) {
  const pb::ProcessEvent empty;
  for (const auto* column : {"exit_code", "exit_signal", "duration_ms", "modified_fields", "reason", "severity",
                             "parent_name", "ancestry", "boot_time_ns"})
    EXPECT_EQ(text(read(empty, column)), "NULL") << column;
  EXPECT_EQ(text(read(empty, "event_type")), "unknown");
}

TEST(EventColumns, ShowAncestorsAsJson) {
  pb::ProcessEvent event;
  event.set_ancestry("");
  EXPECT_EQ(text(read(event, "ancestry")), "[]");
  event.set_ancestry("\xff");
  EXPECT_EQ(text(read(event, "ancestry")), "NULL");
  pb::Ancestry ancestry;
  pb::Ancestor& shell = *ancestry.add_ancestors();
  shell.set_pid(7);
  shell.set_name("a\"\xff");
  shell.set_process_uid(std::string(16, '\1'));
  pb::Ancestor& top = *ancestry.add_ancestors();
  top.set_pid(5);
  top.set_executable_path("/x");
  top.set_cut(true);
  event.set_ancestry(ancestry.SerializeAsString());
  EXPECT_EQ(text(read(event, "ancestry")),
            "[{\"pid\":7,\"process_uid\":\"01010101-0101-0101-0101-010101010101\",\"name\":\"a\\\"\uFFFD\"},"
            "{\"pid\":5,\"process_uid\":\"\",\"name\":\"\",\"executable_path\":\"/x\"},{\"cut\":true}]");
  for (int i = 0; i < 64; ++i) ancestry.add_ancestors()->set_executable_path(std::string(4'000, 'x'));
  event.set_ancestry(ancestry.SerializeAsString());
  const std::string json = text(read(event, "ancestry"));
  EXPECT_LT(json.size(), 80'000U);
  EXPECT_TRUE(json.ends_with("\"},{\"cut\":true}]")) << json.substr(json.size() - 40);
}

TEST(EventColumns, ShowWhatHappened) {
  pb::ProcessEvent event;
  event.set_event_type(pb::EVENT_TYPE_EXIT);
  event.set_exit_code(0);
  event.add_modified_fields("name");
  event.add_modified_fields("euid");
  event.set_severity(pb::SEVERITY_HIGH);
  EXPECT_EQ(text(read(event, "event_type")), "exit");
  EXPECT_EQ(text(read(event, "exit_code")), "0");
  EXPECT_EQ(text(read(event, "exit_signal")), "NULL");
  EXPECT_EQ(text(read(event, "modified_fields")), R"(["name","euid"])");
  EXPECT_EQ(text(read(event, "severity")), "high");
}

TEST(EventType, TextAndBack) {
  for (int number = 0; number <= pb::EventType_MAX; ++number) {
    const auto type = static_cast<pb::EventType>(number);
    EXPECT_EQ(parse_event_type(to_text(type)), type);
  }
  EXPECT_EQ(parse_event_type("Start"), pb::EVENT_TYPE_UNKNOWN);
}

TEST(UidBytes, AreThoseOfTheText) {
  const std::string bytes = "\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10";
  EXPECT_EQ(uid_bytes(uid_text(bytes)), bytes);
  EXPECT_EQ(uid_bytes("01234567-89AB-cdef-fedc-ba9876543210"), "");  // We write small letters.
  EXPECT_EQ(uid_bytes("0123456789ab-cdef-fedc-ba98-76543210----"), "");
  EXPECT_EQ(uid_bytes(""), "");
}

}  // namespace
}  // namespace de::schema
