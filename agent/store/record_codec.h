// Stored form of a process (life record): groups of fields in place or as dictionary ids.
//
// Thread: any (pure functions); a codec object belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "daemoneye/base/result.h"
#include "daemoneye/process.pb.h"
#include "store/compress.h"
#include "store/dictionary.h"
#include "store/metrics.h"
#include "store/store.h"

namespace de::store {

constexpr std::size_t kMaxRecordBytes = 4 << 20;  // Of one serialized record; a frame is no larger.

// The bytes behind a dictionary id.
using ResolveFn = std::function<Result<std::string>(std::uint64_t id)>;

class RecordEncoder {
 public:
  // Sealed values. The dictionary may get new staged entries.
  Result<std::string> life(LifeKind kind, const RecordParts& parts, Dictionary& dictionary);

 private:
  Result<std::string> finish(std::uint8_t tag);
  Packer packer_;
  std::string body_;
};

struct DecodedLife {
  LifeKind kind = LifeKind::Start;
  std::string statics;  // Parses to the ProcessRecord without metrics.
};

class RecordDecoder {
 public:
  Result<DecodedLife> life(std::string_view value, const ResolveFn& resolve);
  // Without version and CRC; also what the fuzzer calls.
  Result<DecodedLife> life_payload(std::string_view payload, const ResolveFn& resolve);

 private:
  Result<std::string_view> body(std::string_view payload, std::uint8_t& tag);
  Unpacker unpacker_;
};

}  // namespace de::store
