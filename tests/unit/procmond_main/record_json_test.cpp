#include "daemon/record_json.h"

#include <gmock/gmock.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "daemoneye/schema/process_columns.h"

namespace de::daemon {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Struct;
using testing::HasSubstr;

// Parsed by somebody else's reader: what we print must be JSON for everybody.
Struct parse(const std::string& json) {
  Struct out;
  const auto parsed = google::protobuf::util::JsonStringToMessage(json, &out);
  EXPECT_TRUE(parsed.ok()) << parsed.ToString() << "\n" << json;
  return out;
}

// Every field of the message set to something.
pb::ProcessRecord full() {
  pb::ProcessRecord record;
  const auto* type = pb::ProcessRecord::descriptor();
  const auto* set = record.GetReflection();
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    const std::string text = field->name() == "user_id" ? "1000" : "text";
    if (field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      set->AddEnumValue(&record, field, 1);
      continue;
    }
    if (field->is_repeated()) {
      set->AddString(&record, field, "one");
      set->AddString(&record, field, "two");
      continue;
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        set->SetString(&record, field, text);
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        set->SetUInt32(&record, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        set->SetUInt64(&record, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        set->SetInt32(&record, field, -7);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        set->SetInt64(&record, field, 7);
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        set->SetDouble(&record, field, 0.5);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        set->SetBool(&record, field, true);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        set->SetEnumValue(&record, field, 1);
        break;
      default:
        record.mutable_namespaces()->set_pid(7);
    }
  }
  record.set_process_uid(std::string(16, '\x01'));
  record.set_parent_uid(std::string(16, '\x02'));
  return record;
}

TEST(RecordJson, EveryColumnIsThereWhenItIsKnown) {
  const Struct parsed = parse(to_json(full()));
  for (const auto& column : schema::process_columns())
    EXPECT_TRUE(parsed.fields().contains(std::string(column.name))) << column.name;
  EXPECT_EQ(parsed.fields().size(), schema::process_columns().size());
}

TEST(RecordJson, ValuesKeepTheirType) {
  const Struct parsed = parse(to_json(full()));
  EXPECT_EQ(parsed.fields().at("pid").number_value(), 7);
  EXPECT_EQ(parsed.fields().at("nice").number_value(), -7);
  EXPECT_EQ(parsed.fields().at("cpu_usage").number_value(), 0.5);
  EXPECT_EQ(parsed.fields().at("user_id").string_value(), "1000");
  EXPECT_EQ(parsed.fields().at("uid").number_value(), 1000);
  EXPECT_EQ(parsed.fields().at("command_line").string_value(), "one two");
  EXPECT_EQ(parsed.fields().at("process_uid").string_value(), "01010101-0101-0101-0101-010101010101");
  EXPECT_EQ(parsed.fields().at("on_disk_state").string_value(), "match");
}

TEST(RecordJson, ListsAndNamespacesAreJsonAndNotTextOfIt) {
  const Struct parsed = parse(to_json(full()));
  ASSERT_TRUE(parsed.fields().at("argv").has_list_value());
  EXPECT_EQ(parsed.fields().at("argv").list_value().values(1).string_value(), "two");
  ASSERT_TRUE(parsed.fields().at("environment").has_list_value());
  EXPECT_EQ(parsed.fields().at("environment").list_value().values(0).string_value(), "one");
  EXPECT_EQ(parsed.fields().at("namespaces").struct_value().fields().at("pid").number_value(), 7);
}

TEST(RecordJson, WhatIsNotKnownIsLeftOut) {
  pb::ProcessRecord record;
  record.set_pid(4);
  const Struct parsed = parse(to_json(record));
  EXPECT_EQ(parsed.fields().at("pid").number_value(), 4);
  for (const char* name : {"ppid", "executable_path", "memory_usage", "cpu_usage", "argv", "namespaces"})
    EXPECT_FALSE(parsed.fields().contains(name)) << name;
}

TEST(RecordJson, HostileTextStaysOneLineOfValidJson) {
  constexpr char kHostile[] = "\"},{\"pid\":0\n\r\t\x1b[2J\\\x7f\x00\xff\xfe\xc3(\xed\xa0\x80 end";
  const std::string hostile(kHostile, sizeof(kHostile) - 1);
  pb::ProcessRecord record;
  record.set_pid(5);
  record.set_name(hostile);
  record.set_executable_path(hostile);
  record.set_cwd(hostile);
  record.set_cgroup(hostile);
  record.add_command_line(hostile);
  record.add_command_line(hostile);
  record.add_environment(hostile);
  const std::string json = to_json(record);
  for (const char c : json) EXPECT_GE(static_cast<unsigned char>(c), 0x20);
  const Struct parsed = parse(json);
  EXPECT_EQ(parsed.fields().at("pid").number_value(), 5);
  for (const char* name : {"name", "executable_path", "cwd", "cgroup", "command_line"}) {
    const std::string& text = parsed.fields().at(name).string_value();
    EXPECT_THAT(text, HasSubstr("\"},{\"pid\":0\n\r\t\x1b[2J\\")) << name;
    EXPECT_THAT(text, HasSubstr("end")) << name;
  }
  EXPECT_EQ(parsed.fields().at("argv").list_value().values_size(), 2);
}

TEST(RecordJson, NumbersWithoutAJsonFormAreNull) {
  pb::ProcessRecord record;
  record.set_cpu_usage(std::numeric_limits<double>::infinity());
  EXPECT_THAT(to_json(record), HasSubstr("\"cpu_usage\":null"));
  record.set_cpu_usage(std::nan(""));
  EXPECT_THAT(to_json(record), HasSubstr("\"cpu_usage\":null"));
  record.set_cpu_usage(1e300);
  record.set_start_time_ms(std::numeric_limits<std::int64_t>::min());
  const Struct parsed = parse(to_json(record));
  EXPECT_EQ(parsed.fields().at("cpu_usage").number_value(), 1e300);
}

TEST(RecordJson, MegabytesOfArgumentsAreStillValid) {
  pb::ProcessRecord record;
  for (std::size_t i = 0; i < 64; ++i) record.add_command_line(std::string(32 * 1024 + i, '\xf0'));
  const std::string json = to_json(record);
  const Struct parsed = parse(json);
  EXPECT_EQ(parsed.fields().at("argc").number_value(), 64);
  EXPECT_LT(json.size(), 2u << 20);
}

}  // namespace
}  // namespace de::daemon
