#include "spool_state.h"

#include <cstring>
#include <fstream>
#include <iterator>

namespace de::system_test {
namespace {

constexpr std::size_t kSlotBytes = 32 * 1024;
constexpr std::size_t kHeaderBytes = 8;  // Length and checksum.
constexpr std::size_t kFixedBytes = 87;  // Version to the number of ranges.
constexpr std::size_t kRangeBytes = 33;

template <class T>
T number_at(const std::string& bytes, std::size_t at) {
  T value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

}  // namespace

std::optional<SpoolBooks> read_spool_state(const std::string& state_dir) {
  std::ifstream in(state_dir + "/spool/spool.state", std::ios::binary);
  const std::string file((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  std::optional<SpoolBooks> newest;
  std::uint64_t newest_generation = 0;
  for (std::size_t slot = 0; slot + kSlotBytes <= file.size(); slot += kSlotBytes) {
    const std::size_t bytes = number_at<std::uint32_t>(file, slot);
    const std::size_t at = slot + kHeaderBytes;
    if (bytes < kFixedBytes || bytes > kSlotBytes - kHeaderBytes || file[at] != 2) continue;
    const auto generation = number_at<std::uint64_t>(file, at + 1);
    if (newest && generation <= newest_generation) continue;
    SpoolBooks books;
    books.spool_id = file.substr(at + 9, 16);
    books.acked = number_at<std::uint64_t>(file, at + 25);
    books.last_sequence = number_at<std::uint64_t>(file, at + 33);
    const std::size_t ranges = number_at<std::uint16_t>(file, at + 85);
    if (bytes != kFixedBytes + ranges * kRangeBytes) continue;
    for (std::size_t i = 0; i < ranges; ++i) {
      const std::size_t range = at + kFixedBytes + i * kRangeBytes;
      books.lost += number_at<std::uint64_t>(file, range + 8) - number_at<std::uint64_t>(file, range) + 1;
    }
    newest = books;
    newest_generation = generation;
  }
  return newest;
}

}  // namespace de::system_test
