#include "store/event_parts.h"

#include "store/metrics.h"
#include "store/wire_walk.h"

namespace de::store {
namespace {

Text text_of(RecordPart part) {
  switch (part) {
    case RecordPart::Image:
      return Text::Image;
    case RecordPart::Command:
      return Text::Command;
    case RecordPart::Varying:
      return Text::Metrics;
    case RecordPart::Identity:
    case RecordPart::Owner:
      break;
  }
  return Text::Owner;
}

// True when the field went into a number.
bool take_process_number(const WireField& field, EventParts& parts) {
  const bool varint = field.type == kWireVarint;
  switch (field.number) {
    case 1:
      if (varint) parts.life.pid = field.value;
      return varint;
    case 2:
      if (varint) parts.life.ppid = field.value;
      return varint;
    case 6:
      if (varint) parts.life.start_ms = field.value;
      return varint;
    case 14:
      if (varint) parts.collection_ms = field.value;
      return varint;
    case 56:
      if (varint) parts.exec_seq = field.value;
      return varint;
    case 62:
      if (varint) parts.life.pidfs = field.value;
      return varint;
    case 18:
      if (field.payload.size() == kUidBytes) parts.life.uid = field.payload;
      return field.payload.size() == kUidBytes;
    case 19:
      if (field.payload.size() == kUidBytes) parts.life.parent_uid = field.payload;
      return field.payload.size() == kUidBytes;
    default:
      return false;
  }
}

Result<> take_process(std::string_view serialized, EventParts& parts) {
  WireWalk walk(serialized);
  // Neighbours mostly belong together and are taken in one piece.
  std::string* text = nullptr;
  std::string_view run;
  for (WireField field; walk.next(field);) {
    if (take_process_number(field, parts)) continue;
    // A foreign wire type makes a field unknown, and unknown fields stay together: their order counts.
    const bool job = field.number == 37 ? field.type == kWireLength
                                        : (field.number == 36 || field.number == 38) && field.type == kWireVarint;
    std::string* const next = &parts.of(job ? Text::Job : text_of(part_of(field)));
    if (next == text && run.data() + run.size() == field.whole.data()) {
      run = {run.data(), run.size() + field.whole.size()};
      continue;
    }
    if (text != nullptr) text->append(run);
    text = next;
    run = field.whole;
  }
  if (text != nullptr) text->append(run);
  if (!walk.ok()) return fail(Errc::Corrupt, "process record: not protobuf");
  return {};
}

bool take_event_number(const WireField& field, EventParts& parts) {
  if (field.type != kWireVarint) return false;
  switch (field.number) {
    case 2:
      parts.type = field.value;
      return true;
    case 3:
      parts.time_ms = field.value;
      return true;
    case 4:
      parts.sequence = field.value;
      return true;
    case 8:
      parts.duration_ms = field.value;
      return true;
    case 12:
      parts.exit_code = field.value;
      return true;
    case 13:
      parts.exit_signal = field.value;
      return true;
    case 15:
      parts.boot_ns = field.value;
      return true;
    default:
      return false;
  }
}

void put_number(std::string& to, unsigned number, std::uint64_t value) {
  put_varint(to, number << 3 | kWireVarint);
  put_varint(to, value);
}

void put_number(std::string& to, unsigned number, const std::optional<std::uint64_t>& value) {
  if (value) put_number(to, number, *value);
}

void put_uid(std::string& to, unsigned number, std::string_view uid) {
  if (uid.empty()) return;
  put_varint(to, number << 3 | kWireLength);
  put_bytes(to, uid);
}

}  // namespace

Result<> take_apart(std::string_view serialized, std::string_view collector, EventParts& parts) {
  static_cast<EventNumbers&>(parts) = {};
  for (std::string& text : parts.text) text.clear();
  parts.of(Text::Collector) = collector;
  WireWalk walk(serialized);
  for (WireField field; walk.next(field);) {
    if (field.number == 1 && field.type == kWireLength) {
      parts.has_process = true;
      DE_CHECK(take_process(field.payload, parts));
    } else if (!take_event_number(field, parts)) {
      const bool known = field.type == kWireLength;
      const Text to = known && field.number >= 9 && field.number <= 11 ? Text::Parent
                      : known && field.number == 14                    ? Text::Ancestry
                                                                       : Text::Rest;
      parts.of(to).append(field.whole);
    }
  }
  if (!walk.ok()) return fail(Errc::Corrupt, "process event: not protobuf");
  return {};
}

void put_together(const EventNumbers& parts, const std::array<std::string_view, kTextCount>& text, std::string& process,
                  std::string& event) {
  const auto of = [&text](Text which) { return text[static_cast<std::size_t>(which)]; };
  event.clear();
  if (parts.has_process) {
    process.clear();
    if (parts.life.pid != 0) put_number(process, 1, parts.life.pid);
    put_number(process, 2, parts.life.ppid);
    put_number(process, 6, parts.life.start_ms);
    if (parts.collection_ms != 0) put_number(process, 14, parts.collection_ms);
    put_uid(process, 18, parts.life.uid);
    put_uid(process, 19, parts.life.parent_uid);
    if (parts.exec_seq != 0) put_number(process, 56, parts.exec_seq);
    put_number(process, 62, parts.life.pidfs);
    for (const Text which : {Text::Image, Text::Owner, Text::Job, Text::Command, Text::Metrics})
      process.append(of(which));
    put_varint(event, 1 << 3 | kWireLength);
    put_bytes(event, process);
  }
  if (parts.type != 0) put_number(event, 2, parts.type);
  if (parts.time_ms != 0) put_number(event, 3, parts.time_ms);
  if (parts.sequence != 0) put_number(event, 4, parts.sequence);
  put_number(event, 8, parts.duration_ms);
  put_number(event, 12, parts.exit_code);
  put_number(event, 13, parts.exit_signal);
  put_number(event, 15, parts.boot_ns);
  for (const Text which : {Text::Parent, Text::Ancestry, Text::Rest}) event.append(of(which));
}

}  // namespace de::store
