// A record that looks unchanged is not written: every field a column reads must move the right hash.
#include "mirror/fingerprint.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <set>

#include "daemoneye/process.pb.h"
#include "daemoneye/schema/process_columns.h"

namespace de::mirror {
namespace {

using google::protobuf::FieldDescriptor;

pb::ProcessRecord sample() {
  pb::ProcessRecord record;
  record.set_pid(7);
  record.set_name("sshd");
  record.set_process_uid(std::string(16, 'u'));
  record.add_command_line("sshd");
  record.set_threads(1);
  record.set_collection_time_ms(5);
  return record;
}

// Gives the field a value it did not have; nested messages and lists too.
void change(pb::ProcessRecord& record, const FieldDescriptor& field) {
  const auto& reflection = *record.GetReflection();
  if (field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM)
    return reflection.AddEnumValue(&record, &field, 1);
  if (field.is_repeated()) return reflection.AddString(&record, &field, "more");
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(&record, &field, reflection.GetInt32(record, &field) + 77);
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(&record, &field, reflection.GetInt64(record, &field) + 77);
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(&record, &field, reflection.GetUInt32(record, &field) + 77);
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(&record, &field, reflection.GetUInt64(record, &field) + 77);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(&record, &field, 7.5);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.SetBool(&record, &field, !reflection.GetBool(record, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.SetEnumValue(&record, &field, 1);
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(&record, &field, "0123456789abcdef");
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return record.mutable_namespaces()->set_mnt(77);
    default:
      FAIL() << field.name();
  }
}

std::set<schema::Change> changed_columns(const pb::ProcessRecord& before, const pb::ProcessRecord& after) {
  std::set<schema::Change> kinds;
  for (const auto& column : schema::process_columns())
    if (column.read(before) != column.read(after)) kinds.insert(column.change);
  return kinds;
}

TEST(Fingerprint, MovesWithEveryColumn) {
  auto fingerprint = [print = Fingerprinter()](const pb::ProcessRecord& record) mutable {
    return print(record.SerializeAsString());
  };
  const pb::ProcessRecord before = sample();
  const Fingerprint was = fingerprint(before);
  const auto& descriptor = *pb::ProcessRecord::descriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) {
    const FieldDescriptor& field = *descriptor.field(i);
    pb::ProcessRecord after = before;
    change(after, field);
    const Fingerprint now = fingerprint(after);
    const auto kinds = changed_columns(before, after);
    EXPECT_EQ(now.fixed != was.fixed, kinds.contains(schema::Change::Static)) << field.name();
    EXPECT_EQ(now.moving != was.moving, kinds.contains(schema::Change::Metric)) << field.name();
  }
}

TEST(Fingerprint, IsTheSameForTheSameRecord) {
  auto fingerprint = [print = Fingerprinter()](const pb::ProcessRecord& record) mutable {
    return print(record.SerializeAsString());
  };
  pb::ProcessRecord giant = sample();
  giant.add_command_line(std::string(1 << 20, 'x'));
  const Fingerprint one = fingerprint(sample());
  EXPECT_NE(fingerprint(giant).fixed, one.fixed);
  EXPECT_EQ(fingerprint(sample()).fixed, one.fixed);
  EXPECT_EQ(fingerprint(sample()).moving, one.moving);
  // An argument does not become a part of its neighbour.
  pb::ProcessRecord joined = sample();
  pb::ProcessRecord parted = sample();
  joined.add_command_line("ab");
  parted.add_command_line("a");
  parted.add_command_line("b");
  EXPECT_NE(fingerprint(joined).fixed, fingerprint(parted).fixed);
}

TEST(Fingerprint, AnEmptyRecordHasOne) {
  Fingerprinter fingerprint;
  EXPECT_EQ(fingerprint("").fixed, fingerprint("").moving);
}

}  // namespace
}  // namespace de::mirror
