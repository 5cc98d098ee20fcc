#include "collect/text_pool.h"

namespace de::collect {

std::size_t TextPool::size() const {
  const std::lock_guard lock(mutex_);
  return texts_.size();
}

void TextPool::set(Ref& ref, std::string_view text) {
  if (ref.get() == text) return;
  Ref next;
  if (!text.empty()) {
    const std::lock_guard lock(mutex_);
    auto found = texts_.find(text);
    if (found == texts_.end()) found = texts_.emplace(std::string(text), Use{this, 0}).first;
    ++found->second.refs;
    next = Ref(*found);
  }
  ref = std::move(next);  // Unlocked: what it stood for may be released.
}

void TextPool::hold(Texts::value_type& text) {
  const std::lock_guard lock(text.second.pool->mutex_);
  ++text.second.refs;
}

void TextPool::release(Texts::value_type& text) {
  TextPool& pool = *text.second.pool;
  const std::lock_guard lock(pool.mutex_);
  if (--text.second.refs > 0) return;
  pool.texts_.erase(pool.texts_.find(text.first));
}

}  // namespace de::collect
