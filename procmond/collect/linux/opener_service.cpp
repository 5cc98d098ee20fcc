#include "collect/linux/opener_service.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "collect/linux/opener_answer.h"

namespace de::collect {
namespace {

// Until the other end is closed, or sends what is no request: then it is not served any more.
void serve(const UniqueFd& socket, const UniqueFd& proc) {
  Packet out;
  for (;;) {
    const auto request = receive_packet(socket.get(), kMaxRequestBytes);
    if (!request || !answer(proc.get(), request->bytes, out)) break;
    if (!send_packet(socket.get(), out.bytes, out.fd.get())) break;
    out.fd.reset();
  }
  ::shutdown(socket.get(), SHUT_RDWR);
}

}  // namespace

Result<> serve_opener(std::vector<UniqueFd> channels, const std::string& proc_root) {
  const auto proc =
      std::make_shared<const UniqueFd>(UniqueFd(::open(proc_root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  if (!*proc) return fail(Errc::Io, "open " + proc_root, last_os_error());
  if (channels.empty()) return {};
  try {
    for (std::size_t i = 1; i < channels.size(); ++i)
      std::thread([channel = std::make_shared<const UniqueFd>(std::move(channels[i])), proc] {
        serve(*channel, *proc);
      }).detach();
  } catch (const std::system_error& refused) {
    return fail(Errc::Io, "start the opener's threads", refused.code());
  }
  serve(channels[0], *proc);
  return {};
}

}  // namespace de::collect
