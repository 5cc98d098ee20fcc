#include "collect/text_pool.h"

#include "daemoneye/base/byte_order.h"
#include "daemoneye/crypto/digest.h"

namespace de::collect {

std::size_t TextPool::Hash::operator()(std::string_view text) const {
  return static_cast<std::size_t>(load_le<std::uint64_t>(crypto::sha256(text).data()));
}

TextPool::Ref TextPool::intern(std::string_view text) {
  auto found = texts_.find(text);
  if (found == texts_.end()) found = texts_.emplace(std::string(text), 0).first;
  ++found->second;
  return Ref(*this, *found);
}

void TextPool::release(Texts::value_type* text) {
  if (--text->second == 0) texts_.erase(texts_.find(text->first));
}

}  // namespace de::collect
