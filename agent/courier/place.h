// A place to take alerts to, out of a URL.
//
// Thread: any (pure function).
#pragma once

#include <cstdint>
#include <string>

#include "daemoneye/base/result.h"

namespace de::courier {

struct Place {
  std::string scheme;  // In lower case.
  std::string host;    // Without the brackets of an address.
  std::uint16_t port = 0;
  std::string path;  // Of unix:// only.

  std::string text() const;  // "tls://host:6514", for errors.
};

// Without a port it is that of the scheme. `key` is the name of the setting, for errors. Errors: Invalid (not a URL, no
// host, a user or a password in it).
Result<Place> parse_place(const std::string& url, const std::string& key = "url");

}  // namespace de::courier
