// zstd with limits.
//
// Thread: one per object.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace de::store {

// Contexts are kept, because making one costs more than packing a small blob.
class Packer {
 public:
  Packer();
  ~Packer();
  // Appends the compressed form of `raw` to `to`.
  Result<> pack(std::string& to, std::string_view raw);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
};

class Unpacker {
 public:
  Unpacker();
  ~Unpacker();
  // Corrupt unless `packed` is exactly one frame that states its size; TooLarge when that is over `max_bytes`,
  // before anything is allocated. The view is valid until the next call.
  Result<std::string_view> unpack(std::string_view packed, std::size_t max_bytes);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
  std::string buffer_;
};

}  // namespace de::store
