#include "collect/linux/connector_message.h"

#include <algorithm>
#include <cstring>

namespace de::collect {
namespace {

// Offsets of struct nlmsghdr, struct cn_msg and struct proc_event, in the byte order of the machine.
constexpr std::size_t kNetlinkHead = 16;    // u32 length, u16 type, u16 flags, u32 seq, u32 sender
constexpr std::size_t kConnectorHead = 20;  // u32 idx, u32 val, u32 seq, u32 ack, u16 length, u16 flags
constexpr std::size_t kEventHead = 16;      // u32 what, u32 cpu, u64 timestamp_ns; then what depends on `what`
constexpr std::uint16_t kDone = 3;          // NLMSG_DONE: the only type the connector sends.

// enum proc_cn_event
constexpr std::uint32_t kNoEvent = 0, kFork = 1, kExec = 2, kExit = 0x80000000;

template <class Int>
Int load(std::string_view bytes, std::size_t at) {
  Int value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <class Int>
void store(char* to, std::size_t at, Int value) {
  std::memcpy(to + at, &value, sizeof value);
}

std::uint32_t number(std::string_view data, std::size_t index) { return load<std::uint32_t>(data, index * 4); }

// `data` follows the event's head. False: too short for what it claims to be.
bool read_data(std::uint32_t what, std::string_view data, ConnectorMessage& out) {
  switch (what) {
    case kNoEvent:  // err
      if (data.size() < 4) return false;
      out.what = ConnectorWhat::Ack;
      out.status = number(data, 0);
      return true;
    case kFork:  // parent_pid, parent_tgid, child_pid, child_tgid
      if (data.size() < 16) return false;
      out.what = ConnectorWhat::Fork;
      out.ppid = number(data, 1);
      out.task = number(data, 2);
      out.pid = number(data, 3);
      return true;
    case kExec:  // pid, tgid
      if (data.size() < 8) return false;
      out.what = ConnectorWhat::Exec;
      out.task = number(data, 0);
      out.pid = number(data, 1);
      return true;
    case kExit:  // pid, tgid, exit_code, exit_signal; newer kernels also tell the parent
      if (data.size() < 16) return false;
      out.what = ConnectorWhat::Exit;
      out.task = number(data, 0);
      out.pid = number(data, 1);
      out.status = number(data, 2);
      return true;
    default:
      out.what = ConnectorWhat::Other;
      return true;
  }
}

// One netlink message, its length already checked.
std::optional<ConnectorMessage> read_message(std::string_view message) {
  if (message.size() < kNetlinkHead + kConnectorHead + kEventHead) return std::nullopt;
  if (load<std::uint16_t>(message, 4) != kDone) return std::nullopt;
  const std::string_view connector = message.substr(kNetlinkHead);
  if (number(connector, 0) != kProcGroup || number(connector, 1) != kProcGroup) return std::nullopt;
  const std::size_t length = load<std::uint16_t>(connector, 16);
  if (length < kEventHead || length > connector.size() - kConnectorHead) return std::nullopt;
  const std::string_view event = connector.substr(kConnectorHead, length);

  ConnectorMessage out;
  out.seq = number(connector, 2);
  out.ack = number(connector, 3);
  out.cpu = number(event, 1);
  out.time_ns = load<std::uint64_t>(event, 8);
  if (!read_data(number(event, 0), event.substr(kEventHead), out)) return std::nullopt;
  return out;
}

}  // namespace

std::optional<ConnectorMessage> ConnectorDatagram::next() {
  while (!rest_.empty()) {
    const std::size_t length = rest_.size() < kNetlinkHead ? 0 : load<std::uint32_t>(rest_, 0);
    if (length < kNetlinkHead || length > rest_.size()) {
      ++malformed_;
      rest_ = {};
      break;
    }
    const std::string_view message = rest_.substr(0, length);
    rest_.remove_prefix(std::min(rest_.size(), (length + 3) / 4 * 4));
    if (const std::optional<ConnectorMessage> read = read_message(message)) return read;
    ++malformed_;
  }
  return std::nullopt;
}

SubscriptionRequest subscription_request(Subscription what, std::uint32_t ack) {
  SubscriptionRequest out{};
  store(out.bytes, 0, static_cast<std::uint32_t>(kSubscriptionBytes));
  store(out.bytes, 4, kDone);
  char* connector = out.bytes + kNetlinkHead;
  store(connector, 0, kProcGroup);
  store(connector, 4, kProcGroup);
  store(connector, 12, ack);
  store(connector, 16, static_cast<std::uint16_t>(sizeof what));
  store(connector, kConnectorHead, static_cast<std::uint32_t>(what));
  return out;
}

}  // namespace de::collect
