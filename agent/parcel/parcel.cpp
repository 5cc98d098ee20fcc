#include "parcel/parcel.h"

#include <cstring>

#include "daemoneye/base/side_process.h"
#include "daemoneye/base/text.h"

namespace de::parcel {
namespace {

// A channel that can be written to takes as much without waiting.
constexpr std::size_t kPieceBytes = 32UL << 10;

struct ParcelHead {
  std::uint32_t number = 0;
  std::uint32_t key_bytes = 0;
  std::uint32_t body_bytes = 0;  // Of the whole parcel.
  std::uint32_t offset = 0;      // Of this piece; the key comes with the first.
};

struct ReceiptHead {
  std::uint32_t number = 0;
  std::int32_t failed = -1;  // An Errc; -1: nothing.
};

constexpr auto kLastErrc = static_cast<std::int32_t>(Errc::Io);

template <class Head>
std::string packet(const Head& head, std::string_view rest, std::string_view more = {}) {
  std::string out(sizeof head, '\0');
  std::memcpy(out.data(), &head, sizeof head);
  return out.append(rest).append(more);
}

template <class Head>
bool read_head(const Packet& from, Head& head, std::string_view& rest) {
  if (from.bytes.size() < sizeof head) return false;
  std::memcpy(&head, from.bytes.data(), sizeof head);
  rest = std::string_view(from.bytes.data(), from.bytes.size()).substr(sizeof head);
  return true;
}

// Adds a piece that continues `parcel`, or begins it; false: it does neither.
bool add_piece(const ParcelHead& head, std::string_view rest, Parcel& parcel, std::uint32_t& body_bytes) {
  if (head.offset == 0) {
    if (head.body_bytes > kMaxBodyBytes || head.key_bytes > kMaxKeyBytes || head.key_bytes > rest.size()) return false;
    parcel = {head.number, std::string(rest.substr(0, head.key_bytes)), {}};
    rest.remove_prefix(head.key_bytes);
    body_bytes = head.body_bytes;
  }
  if (head.number != parcel.number || head.body_bytes != body_bytes || head.offset != parcel.body.size()) return false;
  if (rest.size() > body_bytes - parcel.body.size() || (rest.empty() && body_bytes > 0)) return false;
  parcel.body.append(rest);
  return true;
}

}  // namespace

Result<> send_parcel(int channel, const Parcel& parcel, TimePoint until) {
  if (parcel.key.size() > kMaxKeyBytes || parcel.body.size() > kMaxBodyBytes)
    return fail(Errc::TooLarge, "an alert of " + std::to_string(parcel.body.size()) + " bytes is too large to be sent");
  ParcelHead head{parcel.number, static_cast<std::uint32_t>(parcel.key.size()),
                  static_cast<std::uint32_t>(parcel.body.size()), 0};
  const std::string_view body = parcel.body;
  do {
    const std::string_view piece = body.substr(head.offset, kPieceBytes);
    DE_CHECK(await_channel(channel, Ready::Writing, until));
    DE_CHECK(send_packet(channel, packet(head, head.offset == 0 ? parcel.key : std::string(), piece)));
    head.offset += static_cast<std::uint32_t>(piece.size());
  } while (head.offset < body.size());
  return {};
}

Result<Parcel> receive_parcel(int channel) {
  Parcel out;
  std::uint32_t body_bytes = 0;
  do {
    DE_TRY(received, receive_packet(channel, sizeof(ParcelHead) + kMaxKeyBytes + kPieceBytes));
    ParcelHead head;
    std::string_view rest;
    if (!read_head(received, head, rest) || !add_piece(head, rest, out, body_bytes))
      return fail(Errc::Corrupt, "receive a parcel: it has no meaning");
  } while (out.body.size() < body_bytes);
  return out;
}

Result<> send_receipt(int channel, const Receipt& receipt) {
  ReceiptHead head{receipt.number, -1};
  std::string text;
  if (!receipt.outcome) {
    head.failed = static_cast<std::int32_t>(receipt.outcome.error().code());
    text = receipt.outcome.error().message().substr(0, kMaxReceiptText);
  }
  return send_packet(channel, packet(head, text));
}

Result<Receipt> receive_receipt(int channel, TimePoint until) {
  DE_CHECK(await_channel(channel, Ready::Reading, until));
  DE_TRY(received, receive_packet(channel, sizeof(ReceiptHead) + kMaxReceiptText));
  ReceiptHead head;
  std::string_view text;
  if (!read_head(received, head, text) || head.failed > kLastErrc)
    return fail(Errc::Corrupt, "receive a receipt: it has no meaning");
  Receipt out{head.number, {}};
  if (head.failed >= 0) out.outcome = fail(static_cast<Errc>(head.failed), escape_controls(text));
  return out;
}

}  // namespace de::parcel
