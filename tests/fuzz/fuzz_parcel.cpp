// The agent reads receipts of couriers, who talk to the network; a courier reads parcels. The first byte says which,
// each packet begins with its length in two bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "daemoneye/base/side_process.h"
#include "parcel/parcel.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace de;
  if (size == 0) return 0;
  auto channel = make_channel();
  if (!channel) std::abort();
  const bool is_receipt = data[0] % 2 == 0;
  std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  for (int packets = 0; packets < 64 && rest.size() > 2; ++packets) {  // As many as wait without being read.
    const std::size_t length = static_cast<std::uint8_t>(rest[0]) + 256UL * static_cast<std::uint8_t>(rest[1]);
    const std::string_view packet = rest.substr(2, length);
    rest.remove_prefix(2 + packet.size());
    if (!send_packet(channel->ours.get(), packet)) std::abort();
  }
  channel->ours.reset();
  if (!is_receipt) {
    while (const auto parcel = parcel::receive_parcel(channel->theirs.get()))
      if (parcel->body.size() > parcel::kMaxBodyBytes || parcel->key.size() > parcel::kMaxKeyBytes) std::abort();
    return 0;
  }
  while (const auto receipt = parcel::receive_receipt(channel->theirs.get(), std::chrono::steady_clock::now()))
    if (!receipt->outcome && receipt->outcome.error().message().size() > 4 * parcel::kMaxReceiptText) std::abort();
  return 0;
}
