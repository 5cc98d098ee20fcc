#include "store/event_columns.h"

#include "store/value.h"

namespace de::store {
namespace {

// How a column lies in a block; the low two bits of its length.
enum Kind : std::uint64_t { kPlain = 0, kZstd = 1, kSameByte = 2 };

constexpr std::size_t kPackFromBytes = 48;  // Below, zstd's frame costs more than it finds.

bool is_same_byte(std::string_view bytes) {
  return bytes.size() > 1 && bytes.find_first_not_of(bytes.front()) == std::string_view::npos;
}

}  // namespace

std::size_t EventColumns::bytes() const {
  std::size_t total = 0;
  for (const std::string& each : column) total += each.size();
  return total;
}

void EventColumns::clear() {
  rows = 0;
  for (std::string& each : column) {
    // Room for the next block stays; room for a giant event does not.
    if (each.capacity() > kFullBlockBytes) each = std::string();
    each.clear();
  }
}

std::string encode_piece(const EventColumns& columns, std::uint64_t rows, const ColumnSizes& sizes) {
  std::string value = begin_value();
  put_varint(value, columns.rows - rows);
  for (std::size_t i = 0; i < kColumnCount; ++i) put_bytes(value, std::string_view(columns.column[i]).substr(sizes[i]));
  finish_value(value);
  return value;
}

Result<> decode_piece(std::string_view payload, EventColumns& columns) {
  Reader reader(payload);
  const std::uint64_t rows = reader.varint();
  if (rows > kMaxBlockRows - columns.rows) return fail(Errc::Corrupt, "events: more than a block may hold");
  if (columns.bytes() + payload.size() > kMaxBlockBytes)
    return fail(Errc::Corrupt, "events: larger than a block may be");
  for (std::string& each : columns.column) each.append(reader.bytes());
  if (!reader.finished()) return fail(Errc::Corrupt, "events: malformed piece");
  columns.rows += rows;
  return {};
}

Result<> encode_block(const EventColumns& columns, Packer& packer, std::string& to) {
  std::string data;
  put_varint(to, columns.rows);
  for (const std::string& each : columns.column) {
    const std::uint64_t length = static_cast<std::uint64_t>(each.size()) << 2;
    const std::size_t start = data.size();
    if (is_same_byte(each)) {
      put_varint(to, length | kSameByte);
      data.push_back(each.front());
      continue;
    }
    if (each.size() >= kPackFromBytes) {
      DE_CHECK(packer.pack(data, each));
      // To save less than an eighth is not worth the reader's time.
      if (data.size() - start < each.size() - each.size() / 8) {
        put_varint(to, length | kZstd);
        put_varint(to, data.size() - start);
        continue;
      }
      data.resize(start);
    }
    put_varint(to, length | kPlain);
    data.append(each);
  }
  to.append(data);
  return {};
}

Result<PackedColumns> PackedColumns::parse(std::string_view payload) {
  PackedColumns out;
  Reader reader(payload);
  out.rows_ = reader.varint();
  std::array<std::uint64_t, kColumnCount> stored{};
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < kColumnCount; ++i) {
    const std::uint64_t code = reader.varint();
    Part& part = out.parts_[i];
    part.kind = code & 3;
    if (code >> 2 > kMaxBlockBytes) reader.refuse();
    part.bytes = static_cast<std::size_t>(code >> 2);
    total += part.bytes;
    stored[i] = part.kind == kZstd ? reader.varint() : part.kind == kSameByte ? 1 : part.bytes;
    if (part.kind > kSameByte) reader.refuse();
  }
  if (!reader.ok() || out.rows_ > kMaxBlockRows || total > kMaxBlockBytes)
    return fail(Errc::Corrupt, "event block: malformed");
  for (std::size_t i = 0; i < kColumnCount; ++i) {
    if (stored[i] > reader.left()) reader.refuse();
    out.parts_[i].data = reader.raw(static_cast<std::size_t>(stored[i]));
  }
  if (!reader.finished()) return fail(Errc::Corrupt, "event block: does not end where it should");
  return out;
}

Result<> PackedColumns::unpack(Column which, Unpacker& unpacker, EventColumns& to) const {
  const Part& part = parts_[static_cast<std::size_t>(which)];
  std::string& column = to[which];
  if (part.kind == kPlain) {
    column = part.data;
  } else if (part.kind == kSameByte) {
    column.assign(part.bytes, part.data.front());
  } else {
    auto raw = unpacker.unpack(part.data, part.bytes);
    if (!raw) return fail(Errc::Corrupt, std::move(raw).error().during("event block").message());
    if (raw->size() != part.bytes) return fail(Errc::Corrupt, "event block: a column has another length");
    column = *raw;
  }
  return {};
}

}  // namespace de::store
