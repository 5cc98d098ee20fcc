// Texts that many processes share, kept once: most processes of a host run a few dozen programs in a few groups. What
// two parts of the collector remember about one process is one text as well.
// Bounded by its users: a text lives as long as somebody holds a Ref to it, and the pool outlives all Refs.
//
// Thread: any; one Ref belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "daemoneye/crypto/siphash.h"

namespace de::collect {

class TextPool {
  // Keyed: processes choose their texts, and could choose colliding ones.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return static_cast<std::size_t>(hash(text)); }
    crypto::SipHash hash;
  };
  struct Use {
    TextPool* pool = nullptr;
    std::uint32_t refs = 0;
  };
  using Texts = std::unordered_map<std::string, Use, Hash, std::equal_to<>>;

 public:
  // One pointer: there are several per process.
  class Ref {
   public:
    Ref() = default;
    Ref(const Ref& other) : text_(other.text_) {
      if (text_ != nullptr) hold(*text_);
    }
    Ref(Ref&& other) noexcept : text_(std::exchange(other.text_, nullptr)) {}
    Ref& operator=(Ref other) noexcept {
      std::swap(text_, other.text_);
      return *this;
    }
    ~Ref() {
      if (text_ != nullptr) release(*text_);
    }
    // The text set; empty when there is none.
    std::string_view get() const { return text_ != nullptr ? std::string_view(text_->first) : std::string_view(); }

    // Of one pool: equal texts are one text.
    friend bool operator==(const Ref&, const Ref&) = default;

   private:
    friend class TextPool;
    explicit Ref(Texts::value_type& text) : text_(&text) {}  // Already counted.
    Texts::value_type* text_ = nullptr;
  };

  TextPool() = default;
  TextPool(const TextPool&) = delete;
  TextPool& operator=(const TextPool&) = delete;

  // Makes `ref` stand for `text`; costs a comparison when it already does. An empty text is no text.
  void set(Ref& ref, std::string_view text);
  std::size_t size() const;

 private:
  static void hold(Texts::value_type& text);
  static void release(Texts::value_type& text);
  mutable std::mutex mutex_;  // For texts_ and all counts of references; a leaf. The texts themselves never change.
  Texts texts_;
};

}  // namespace de::collect
