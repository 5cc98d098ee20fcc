// Recorded lines: every column of processes.events can be written down and replayed, Sigma's fields too, and what is
// wrong is named with its line.
#include "replay/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/text.h"
#include "daemoneye/schema/event_columns.h"
#include "daemoneye/schema/process_columns.h"
#include "temp_dir.h"

namespace de::replay {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kNowMs = 1'780'000'000'123;

// As `query --output jsonl` prints a row.
std::string to_line(const pb::ProcessEvent& event) {
  std::string out = "{";
  for (const auto& column : schema::event_columns()) {
    const schema::Cell cell = column.read(event);
    out += (out.size() > 1 ? "," : "") + json_string(column.name) + ":";
    if (const auto* integer = std::get_if<std::int64_t>(&cell))
      out += std::to_string(*integer);
    else if (const auto* real = std::get_if<double>(&cell))
      append_json_number(out, *real);
    else if (const auto* view = std::get_if<std::string_view>(&cell))
      append_json_string(out, *view);
    else if (const auto* text = std::get_if<std::string>(&cell))
      append_json_string(out, *text);
    else
      out += "null";
  }
  return out + "}";
}

// A message of which every plain field has a value of its own.
void fill(google::protobuf::Message& message, int& next) {
  using Type = google::protobuf::FieldDescriptor;
  const auto& access = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const Type& field = *message.GetDescriptor()->field(i);
    if (field.is_repeated()) continue;
    const int value = ++next;
    if (field.cpp_type() == Type::CPPTYPE_STRING) access.SetString(&message, &field, "text " + std::to_string(value));
    if (field.cpp_type() == Type::CPPTYPE_BOOL) access.SetBool(&message, &field, true);
    if (field.cpp_type() == Type::CPPTYPE_DOUBLE) access.SetDouble(&message, &field, value + 0.5);
    if (field.cpp_type() == Type::CPPTYPE_INT32) access.SetInt32(&message, &field, -value);
    if (field.cpp_type() == Type::CPPTYPE_INT64) access.SetInt64(&message, &field, value + 1'000'000'000'000);
    if (field.cpp_type() == Type::CPPTYPE_UINT32) access.SetUInt32(&message, &field, static_cast<unsigned>(value));
    if (field.cpp_type() == Type::CPPTYPE_UINT64) access.SetUInt64(&message, &field, static_cast<unsigned>(value));
    if (field.cpp_type() == Type::CPPTYPE_MESSAGE) fill(*access.MutableMessage(&message, &field), next);
  }
}

pb::ProcessEvent full_event() {
  pb::ProcessEvent event;
  int next = 0;
  fill(event, next);
  event.set_event_type(pb::EVENT_TYPE_SUSPICIOUS);
  event.set_severity(pb::SEVERITY_HIGH);
  event.add_modified_fields("name");
  pb::ProcessRecord& process = *event.mutable_process();
  process.set_process_uid("0123456789abcdef");
  process.set_parent_uid("fedcba9876543210");
  process.set_user_id("1000");
  process.add_command_line("sh");
  process.add_command_line("a b");
  process.add_environment("A=\xff");
  process.set_on_disk_state(pb::ON_DISK_DELETED);
  process.set_source(pb::RECORD_SOURCE_CONNECTOR);
  process.set_platform_data("{\"x\":\"y\"}");
  pb::Ancestry ancestry;
  pb::Ancestor& parent = *ancestry.add_ancestors();
  parent.set_pid(5);
  parent.set_name("sshd");
  parent.set_executable_path("/usr/sbin/sshd");
  parent.set_process_uid("0000000000000000");
  event.set_ancestry(ancestry.SerializeAsString());
  return event;
}

TEST(Recording, EveryColumnComesBack) {
  const pb::ProcessEvent before = full_event();
  const auto after = parse_event(to_line(before), 7, kNowMs);
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ(after->sequence(), 7U);
  for (const auto& column : schema::event_columns()) {
    if (column.name == "sequence" || column.name == "command_line_sha256" || column.name == "shed") continue;
    pb::ProcessEvent first = before, second = *after;
    EXPECT_EQ(column.read(first), column.read(second)) << column.name;
  }
}

TEST(Recording, SigmaNamesAreColumns) {
  const auto event = parse_event(
      R"({"Image":"/usr/bin/very-long-name-of-it","CommandLine":"x -y","ParentImage":"/bin/sh","User":"root",
          "CurrentDirectory":"/tmp","LogonId":"0x3e7","ProcessId":"42","ParentProcessId":7,"ProcessGuid":"{A}",
          "Hashes":"MD5=00,SHA256=ABCDEF0000000000000000000000000000000000000000000000000000000000,IMPHASH=1",
          "OriginalFileName":"orig.exe","UtcTime":"2026-01-02 03:04:05.678","EventID":1,"_own":[1],"Product":null})",
      1, kNowMs);
  ASSERT_TRUE(event) << event.error().message();
  const pb::ProcessRecord& process = event->process();
  EXPECT_EQ(process.executable_path(), "/usr/bin/very-long-name-of-it");
  EXPECT_EQ(process.name(), "very-long-name-");
  EXPECT_EQ(process.command_line(0), "x -y");
  EXPECT_EQ(process.login_uid(), 999U);
  EXPECT_EQ(process.pid(), 42U);
  EXPECT_EQ(process.ppid(), 7U);
  EXPECT_EQ(process.executable_hash(), "abcdef" + std::string(58, '0'));
  EXPECT_EQ(event->parent_executable_path(), "/bin/sh");
  EXPECT_EQ(to_iso8601(event->event_time_ms()).text, std::string("2026-01-02T03:04:05.678Z"));
  EXPECT_EQ(event->event_type(), pb::EVENT_TYPE_EXEC);
  EXPECT_THAT(process.platform_data(), HasSubstr("\"OriginalFileName\":\"orig.exe\""));
  EXPECT_THAT(process.platform_data(), HasSubstr("IMPHASH=1"));
  EXPECT_THAT(process.platform_data(), Not(HasSubstr("Product\"")));
}

// A login of Windows that is no number of ours stays a field of the recording.
TEST(Recording, ALoginThatDoesNotFitIsKept) {
  const auto event = parse_event(R"({"LogonId":"0x1a2b3c4d5e"})", 1, kNowMs);
  ASSERT_TRUE(event) << event.error().message();
  EXPECT_FALSE(event->process().has_login_uid());
  EXPECT_THAT(event->process().platform_data(), HasSubstr("0x1a2b3c4d5e"));
}

TEST(Recording, TheSameProcessHasTheSameIdentity) {
  const auto uid = [](const char* line, std::uint64_t number) {
    return parse_event(line, number, kNowMs)->process().process_uid();
  };
  EXPECT_EQ(uid(R"({"ProcessGuid":"{A}"})", 1), uid(R"({"ProcessGuid":"{A}"})", 2));
  EXPECT_NE(uid(R"({"ProcessGuid":"{A}"})", 1), uid(R"({"ProcessGuid":"{B}"})", 1));
  EXPECT_NE(uid("{}", 1), uid("{}", 2));
  EXPECT_EQ(parse_event(R"({"ParentProcessGuid":"{A}"})", 9, kNowMs)->process().parent_uid(),
            uid(R"({"ProcessGuid":"{A}"})", 1));
}

TEST(Recording, WhatIsWrongIsNamed) {
  const auto why = [](const char* line) {
    const auto event = parse_event(line, 1, kNowMs);
    return event ? "" : event.error().message();
  };
  EXPECT_THAT(why("[1]"), HasSubstr("is no JSON object"));
  EXPECT_THAT(why("{\"name\":"), HasSubstr("is no JSON object"));
  EXPECT_EQ(why(R"({"comand_line":"x"})"),
            "field comand_line: no column of processes.events and no field of Sigma's process_creation (did you mean "
            "\"command_line\"?)");
  EXPECT_THAT(why(R"({"DestinationIp":"10.0.0.1"})"), HasSubstr("is one of network_connection"));
  EXPECT_EQ(why(R"({"EventID":"3"})"), "field EventID: only 1 and 4688 are processes that were executed");
  EXPECT_EQ(why(R"({"pid":-1})"), "field pid: is out of range");
  EXPECT_EQ(why(R"({"pid":4294967296})"), "field pid: is out of range");
  EXPECT_EQ(why(R"({"pid":1.5})"), "field pid: expected a whole number");
  EXPECT_EQ(why(R"({"pid":[1]})"), "field pid: expected a whole number");
  EXPECT_EQ(why(R"({"exe_inode":9007199254740993000})"), "field exe_inode: too large for JSON: write it as a text");
  EXPECT_EQ(why(R"({"name":{}})"), "field name: expected a text");
  EXPECT_EQ(why(R"({"argv":"sh"})"), "field argv: expected a list");
  EXPECT_EQ(why(R"({"process_uid":"7"})"), "field process_uid: expected a UUID in lower case");
  EXPECT_EQ(why(R"({"event_type":"born"})"), "field event_type: expected start, exec, exit, modified or suspicious");
  EXPECT_EQ(why(R"({"UtcTime":"yesterday"})"), "field UtcTime: expected a time as 2026-11-23 05:00:00.000");
}

TEST(Recording, LinesAreCountedAlsoWhenSomeAreEmpty) {
  test::TempDir dir;
  dir.write("r.jsonl", "\n{\"pid\":1}\r\n\n  \n{\"pid\":2}\n{\"pid\":3}");
  auto recording = Recording::open(dir.path() + "/r.jsonl");
  ASSERT_TRUE(recording);
  pb::ProcessEvent event;
  for (const std::uint32_t pid : {1U, 2U, 3U}) {
    const auto more = recording->next(event, kNowMs);
    ASSERT_TRUE(more && *more);
    EXPECT_EQ(event.process().pid(), pid);
    EXPECT_EQ(event.sequence(), pid) << "without a hole";
  }
  const auto more = recording->next(event, kNowMs);
  EXPECT_TRUE(more && !*more);
  EXPECT_EQ(recording->line_of(1), 2U);
  EXPECT_EQ(recording->line_of(2), 5U);
  EXPECT_EQ(recording->line_of(3), 6U);
}

TEST(Recording, TheLineIsNamedAndNoneIsTooLong) {
  test::TempDir dir;
  dir.write("r.jsonl", "{}\n\n{\"pid\":\"x\"}\n");
  auto recording = Recording::open(dir.path() + "/r.jsonl");
  ASSERT_TRUE(recording);
  pb::ProcessEvent event;
  ASSERT_TRUE(recording->next(event, kNowMs));
  const auto wrong = recording->next(event, kNowMs);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message(), dir.path() + "/r.jsonl:3: field pid: expected a whole number");

  const std::string fits = "{\"name\":\"" + std::string(kMaxLineBytes - 11, 'x') + "\"}";
  ASSERT_EQ(fits.size(), kMaxLineBytes);
  dir.write("long.jsonl", fits + "\n{\"_\":\"" + std::string(kMaxLineBytes, 'x') + "\"}\n");
  auto large = Recording::open(dir.path() + "/long.jsonl");
  ASSERT_TRUE(large);
  const auto first = large->next(event, kNowMs);
  ASSERT_TRUE(first) << first.error().message();
  const auto second = large->next(event, kNowMs);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().message(), HasSubstr("long.jsonl:2: a line of more than 1 MiB"));
}

TEST(Recording, AnEmptyFileAndNoFileAreSaid) {
  test::TempDir dir;
  dir.write("empty.jsonl", "");
  EXPECT_THAT(Recording::open(dir.path() + "/empty.jsonl").error().message(), HasSubstr("has no events in it"));
  EXPECT_EQ(Recording::open(dir.path() + "/none.jsonl").error().code(), Errc::NotFound);
  EXPECT_NE(Recording::open(dir.path()).error().message(), "") << "a directory";
}

}  // namespace
}  // namespace de::replay
