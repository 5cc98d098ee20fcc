#include "collect/identity.h"

namespace de::collect {

std::string process_uid(std::string_view boot_id, std::uint32_t pid, std::uint64_t start_ns) {
  std::string name(boot_id);
  name += ':';
  name += std::to_string(pid);
  name += ':';
  name += std::to_string(start_ns / 10'000'000);
  const crypto::Uuid uuid = crypto::uuid_v5(kProcessNamespace, name);
  return std::string(reinterpret_cast<const char*>(uuid.data()), uuid.size());
}

}  // namespace de::collect
