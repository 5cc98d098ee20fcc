// Events with any field, any value: what comes back must be what was given, whatever it was.
//
// Thread: the test's.
#pragma once

#include <random>
#include <string>

#include "daemoneye/process.pb.h"

namespace de::store {

class RandomEvents {
 public:
  explicit RandomEvents(unsigned seed) : random_(seed) {}

  // Any subset of the fields, numbers from one end to the other, fields that nobody knows.
  pb::ProcessEvent any() {
    pb::ProcessEvent event;
    fill(event, 0);
    return event;
  }

  // One of few processes, images and times, so that a filter finds several.
  pb::ProcessEvent common(std::uint64_t sequence, std::int64_t from_ms, std::int64_t span_ms) {
    pb::ProcessEvent event;
    event.set_sequence(sequence);
    event.set_event_time_ms(from_ms + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(span_ms)));
    event.set_event_type(static_cast<pb::EventType>(random_() % 7));  // Also one that nobody knows.
    if (random_() % 3 == 0) event.set_boot_time_ns(random_() % 1'000'000'000);
    if (random_() % 20 == 0) return event;  // Without a process.
    pb::ProcessRecord& process = *event.mutable_process();
    const auto n = static_cast<std::uint32_t>(random_() % 40);
    process.set_pid(n);
    if (n % 5 != 0) process.set_ppid(n / 5);
    process.set_process_uid(n % 9 == 0 ? "" : std::string(16, static_cast<char>(n)));
    if (n % 2 == 0) process.set_parent_uid(std::string(16, static_cast<char>(n / 5)));
    process.set_name(n % 11 == 0 ? "" : "name-" + std::to_string(random_() % 8));
    if (n % 3 != 0) process.set_executable_hash("hash-" + std::to_string(random_() % 8));
    process.add_command_line(std::string(random_() % 200, 'x'));
    return event;
  }

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

 private:
  // Small ones, large ones, and those at the end of their range.
  std::uint64_t number() {
    switch (random_() % 4) {
      case 0:
        return random_() % 100;
      case 1:
        return ~0ULL - random_() % 3;
      case 2:
        return (1ULL << 63) - 1 + random_() % 3;
      default:
        return random_();
    }
  }
  std::string text() { return std::string(random_() % 30, static_cast<char>('a' + random_() % 26)); }
  std::string bytes() {
    std::string out = random_() % 2 == 0 ? text() : std::string(16, '\0');
    for (char& c : out) c = static_cast<char>(random_());
    return out;
  }

  void set(google::protobuf::Message& message, const google::protobuf::FieldDescriptor& field, int depth) {
    using Field = google::protobuf::FieldDescriptor;
    const auto& reflection = *message.GetReflection();
    const bool many = field.is_repeated();
    switch (field.cpp_type()) {
      case Field::CPPTYPE_MESSAGE:
        return fill(*reflection.MutableMessage(&message, &field), depth + 1);
      case Field::CPPTYPE_STRING: {
        const std::string value = field.type() == Field::TYPE_BYTES ? bytes() : text();
        return many ? reflection.AddString(&message, &field, value) : reflection.SetString(&message, &field, value);
      }
      case Field::CPPTYPE_UINT32:
        return reflection.SetUInt32(&message, &field, static_cast<std::uint32_t>(number()));
      case Field::CPPTYPE_UINT64:
        return reflection.SetUInt64(&message, &field, number());
      case Field::CPPTYPE_INT32:
        return reflection.SetInt32(&message, &field, static_cast<std::int32_t>(number()));
      case Field::CPPTYPE_INT64:
        return reflection.SetInt64(&message, &field, static_cast<std::int64_t>(number()));
      case Field::CPPTYPE_BOOL:
        return reflection.SetBool(&message, &field, random_() % 2 == 0);
      case Field::CPPTYPE_DOUBLE:
        return reflection.SetDouble(&message, &field, static_cast<double>(number()) / 7);
      case Field::CPPTYPE_ENUM:
        if (many) return reflection.AddEnumValue(&message, &field, static_cast<int>(number()));
        return reflection.SetEnumValue(&message, &field, static_cast<int>(number()));
      case Field::CPPTYPE_FLOAT:
        break;  // There is none.
    }
  }

  void fill(google::protobuf::Message& message, int depth) {
    const auto& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i)
      for (std::uint64_t n = random_() % (type.field(i)->is_repeated() ? 4 : 2); n > 0; --n)
        set(message, *type.field(i), depth);
    auto& unknown = *message.GetReflection()->MutableUnknownFields(&message);
    if (random_() % 2 == 0) unknown.AddVarint(900 + static_cast<int>(random_() % 5), number());
    if (random_() % 2 == 0) unknown.AddLengthDelimited(900 + static_cast<int>(random_() % 5))->assign(bytes());
    if (random_() % 4 == 0) unknown.AddFixed64(901, number());
    if (random_() % 4 == 0) unknown.AddFixed32(902, static_cast<std::uint32_t>(number()));
    // Numbers that are known, in a form in which they are not.
    if (random_() % 4 == 0) unknown.AddLengthDelimited(depth == 0 ? 2 : 36)->assign(bytes());
    if (random_() % 4 == 0) unknown.AddVarint(depth == 0 ? 14 : 18, number());
    if (random_() % 4 == 0) unknown.AddVarint(depth == 0 ? 9 : 37, number());
  }

  std::mt19937_64 random_;
};

}  // namespace de::store
