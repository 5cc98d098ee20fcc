// Masks secrets in arguments and environment variables at the source: what is masked here never leaves the process.
//
// It knows `--flag value` and `--flag=value`, NAME=value, JSON and header fields, credentials in URLs, well-known
// token shapes, the short flags that carry a secret in particular programs (`mysql -pX`, but not `ps -p 1`), and
// looks into shell scripts given as one argument. Someone who wants to hide a secret from it can; it protects
// people who do not know that arguments are public.
//
// Thread: any (pure functions).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace de::collect {

constexpr std::string_view kRedacted = "[REDACTED]";

std::vector<std::string> mask_arguments(std::span<const std::string_view> argv);

// "NAME=value".
std::string mask_environment(std::string_view entry);

// URLs, headers, tokens and name/value pairs anywhere in a text.
std::string mask_text(std::string_view text);

}  // namespace de::collect
