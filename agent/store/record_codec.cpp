#include "store/record_codec.h"

#include "store/value.h"

namespace de::store {
namespace {

// payload = tag | body. The tag is the life kind, plus kPacked when zstd made it shorter.
constexpr std::uint8_t kPacked = 0x80;
constexpr std::size_t kPackFromBytes = 160;  // Below, zstd's frame costs more than it finds.
// What one body may unpack to: a record of the largest size with every group in place, and the lengths.
constexpr std::size_t kMaxBodyBytes = kMaxRecordBytes + (64 << 10);

// token = (id << 1 | 1), or (length << 1) and the bytes.
void put_token(std::string& to, std::string_view bytes, Dictionary& dictionary) {
  if (const auto id = dictionary.id_of(bytes)) {
    put_varint(to, *id << 1 | 1);
  } else {
    put_varint(to, static_cast<std::uint64_t>(bytes.size()) << 1);
    to.append(bytes);
  }
}

Result<> take_token(Reader& reader, const ResolveFn& resolve, std::string& to) {
  const std::uint64_t code = reader.varint();
  if ((code & 1) == 0) {
    if (code >> 1 > reader.left()) reader.refuse();
    to.append(reader.raw(static_cast<std::size_t>(code >> 1)));
    return {};
  }
  DE_TRY(bytes, resolve(code >> 1));
  to.append(bytes);
  return {};
}

}  // namespace

Result<std::string> RecordEncoder::finish(std::uint8_t tag) {
  std::string value = begin_value();
  value.push_back(static_cast<char>(tag));
  if (body_.size() >= kPackFromBytes) {
    value.back() = static_cast<char>(tag | kPacked);
    DE_CHECK(packer_.pack(value, body_));
    if (value.size() - kSealBytes - 1 >= body_.size()) {
      value.resize(kSealBytes);
      value.push_back(static_cast<char>(tag));
      value.append(body_);
    }
  } else {
    value.append(body_);
  }
  finish_value(value);
  return value;
}

Result<std::string> RecordEncoder::life(LifeKind kind, const RecordParts& parts, Dictionary& dictionary) {
  body_.clear();
  put_bytes(body_, parts.identity);
  put_token(body_, parts.image, dictionary);
  put_token(body_, parts.command, dictionary);
  put_token(body_, parts.owner, dictionary);
  return finish(static_cast<std::uint8_t>(kind));
}

Result<std::string_view> RecordDecoder::body(std::string_view payload, std::uint8_t& tag) {
  if (payload.empty()) return fail(Errc::Corrupt, "record: empty");
  tag = static_cast<std::uint8_t>(payload[0]);
  payload.remove_prefix(1);
  if ((tag & kPacked) == 0) return payload;
  tag = static_cast<std::uint8_t>(tag & ~kPacked);
  auto unpacked = unpacker_.unpack(payload, kMaxBodyBytes);
  if (!unpacked) return fail(Errc::Corrupt, std::move(unpacked).error().during("record").message());
  return *unpacked;
}

Result<DecodedLife> RecordDecoder::life_payload(std::string_view payload, const ResolveFn& resolve) {
  std::uint8_t tag = 0;
  DE_TRY(bytes, body(payload, tag));
  if (tag < static_cast<std::uint8_t>(LifeKind::Start) || tag > static_cast<std::uint8_t>(LifeKind::Carried))
    return fail(Errc::Corrupt, "life record: unknown kind " + std::to_string(tag));
  DecodedLife out{static_cast<LifeKind>(tag), {}};
  Reader reader(bytes);
  out.statics.append(reader.bytes());
  for (int group = 0; group < 3; ++group) DE_CHECK(take_token(reader, resolve, out.statics));
  if (!reader.finished()) return fail(Errc::Corrupt, "life record: does not end where it should");
  return out;
}

Result<DecodedLife> RecordDecoder::life(std::string_view value, const ResolveFn& resolve) {
  DE_TRY(payload, unseal(value, "life record"));
  return life_payload(payload, resolve);
}

}  // namespace de::store
