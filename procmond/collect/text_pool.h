// Texts that many processes share, kept once: most processes of a host run a few dozen programs in a few groups.
// Bounded by its users: a text lives as long as somebody holds a Ref to it, and the pool outlives all Refs.
//
// Thread: collector.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace de::collect {

class TextPool {
  // Keyed by a cryptographic hash: processes choose their texts, and could choose colliding ones.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const;
  };
  using Texts = std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>>;

 public:
  class Ref {
   public:
    Ref() = default;
    Ref(Ref&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), text_(std::exchange(other.text_, nullptr)) {}
    Ref& operator=(Ref&& other) noexcept {
      std::swap(pool_, other.pool_);
      std::swap(text_, other.text_);
      return *this;
    }
    ~Ref() {
      if (text_ != nullptr) pool_->release(text_);
    }
    std::string_view get() const { return text_ != nullptr ? std::string_view(text_->first) : std::string_view(); }

   private:
    friend class TextPool;
    Ref(TextPool& pool, Texts::value_type& text) : pool_(&pool), text_(&text) {}
    TextPool* pool_ = nullptr;
    Texts::value_type* text_ = nullptr;
  };

  Ref intern(std::string_view text);
  std::size_t size() const { return texts_.size(); }

 private:
  void release(Texts::value_type* text);
  Texts texts_;
};

}  // namespace de::collect
