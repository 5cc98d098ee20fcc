// Result<T>: how every fallible function in this project reports failure.
//
// Thread: any (values).
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>

namespace de {

// What the caller can do about it, not where it came from. A value exists because a caller branches on it.
enum class Errc : std::uint8_t {
  NotFound,
  Denied,
  Timeout,
  Cancelled,
  Closed,
  Corrupt,
  TooLarge,
  Unsupported,
  Exhausted,
  Conflict,
  Invalid,
  Io
};

class Error {
 public:
  // __builtin_FILE/LINE, not std::source_location, which older clang lacks.
  Error(Errc code, std::string what, std::error_code os = {}, const char* file = __builtin_FILE(),
        int line = __builtin_LINE())
      : what_(std::move(what)), os_(os), file_(file), line_(line), code_(code) {}

  Errc code() const { return code_; }
  const std::string& what() const { return what_; }
  // The operating system's own reason, or an empty code when there was none.
  std::error_code os() const { return os_; }
  const char* file() const { return file_; }
  int line() const { return line_; }

  // The whole chain for a person: "open store: data.mdb: Permission denied".
  std::string message() const { return os_ ? what_ + ": " + os_.message() : what_; }

  // Names the step that failed, outermost first: "open store: read meta page: short read".
  Error&& during(std::string_view step) && {
    what_.insert(0, std::string(step) + ": ");
    return std::move(*this);
  }

 private:
  std::string what_;
  std::error_code os_;
  const char* file_;
  int line_;
  Errc code_;
};

// A class, not an alias, because tl::expected 1.0 is not [[nodiscard]].
template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
  using Base = tl::expected<T, Error>;

 public:
  using Base::Base;

  // Asking a success for its error ends the program; tl::expected would read whatever lies there.
  const Error& error() const& {
    if (this->has_value()) std::abort();
    return Base::error();
  }
  Error&& error() && {
    if (this->has_value()) std::abort();
    return std::move(*this).Base::error();
  }
};

inline tl::unexpected<Error> fail(Errc code, std::string what, std::error_code os = {},
                                  const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  return tl::unexpected<Error>(Error(code, std::move(what), os, file, line));
}
inline tl::unexpected<Error> fail(Error&& error) { return tl::unexpected<Error>(std::move(error)); }

}  // namespace de

// The only control-flow macros in the project. DE_TRY names the value; DE_CHECK is for Result<void>.
#define DE_TRY(var, expr)                                        \
  auto var##_or = (expr);                                        \
  if (!var##_or) return ::de::fail(std::move(var##_or).error()); \
  auto& var = *var##_or
#define DE_CO_TRY(var, expr)                                        \
  auto var##_or = (expr);                                           \
  if (!var##_or) co_return ::de::fail(std::move(var##_or).error()); \
  auto& var = *var##_or
#define DE_CHECK(expr)                                                                     \
  do {                                                                                     \
    if (auto de_check = (expr); !de_check) return ::de::fail(std::move(de_check).error()); \
  } while (false)
