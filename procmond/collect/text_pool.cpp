#include "collect/text_pool.h"

#include "daemoneye/base/byte_order.h"
#include "daemoneye/crypto/digest.h"

namespace de::collect {

std::size_t TextPool::Hash::operator()(std::string_view text) const {
  return static_cast<std::size_t>(load_le<std::uint64_t>(crypto::sha256(text).data()));
}

void TextPool::set(Ref& ref, std::string_view text) {
  if (ref.get() == text) return;
  if (text.empty()) {
    ref = Ref();
    return;
  }
  auto found = texts_.find(text);
  if (found == texts_.end()) found = texts_.emplace(std::string(text), Use{this, 0}).first;
  ref = Ref(*found);
}

void TextPool::release(Texts::value_type& text) {
  if (--text.second.refs > 0) return;
  Texts& texts = text.second.pool->texts_;
  texts.erase(texts.find(text.first));
}

}  // namespace de::collect
