#include "received.h"

#include "daemoneye/base/text.h"
#include "daemoneye/crypto/digest.h"
#include "truth.h"

namespace de::load {

std::string received(const Report& report) {
  constexpr std::size_t kShown = 4096;
  const crypto::Digest digest = crypto::sha256(report.argv);
  return member("argc", report.argc) + member("argv_bytes", report.argv.size()) +
         member("argv_sha256", to_hex(crypto::as_bytes(digest))) +
         member("argv_hex", to_hex(std::string_view(report.argv).substr(0, kShown))) + member("exe_link", report.exe);
}

}  // namespace de::load
