// What secrets look like: by the name they are given under, or by their own shape.
//
// Thread: any (pure functions).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace de::collect {

enum class NameKind : unsigned char {
  Plain,
  Secret,  // password, api_key, --client-secret, -Dspring.datasource.password, ...
  Key,     // private-key, signing-key, ...: secret, unless the value is the path of a file.
  Header,  // Authorization, Cookie: the value may hold blanks and goes on to the end.
};

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// What a flag or variable of this name holds. Leading dashes, case and the separator ("_", "-", ".") do not matter.
// "--password-file", "--token-ttl" and "--no-password" are Plain.
NameKind kind_of_name(std::string_view name);

// The same for environment variables, where masking too much costs nothing.
bool is_secret_variable(std::string_view name);

// Length of a well-known token ("ghp_...", "eyJ..." and the like) at the start of `text`, or 0.
std::size_t token_length(std::string_view text);

}  // namespace de::collect
