// Ledger files and entries as an attacker would write them: no crash, nothing that does not encode to its own bytes.
#include <cstdlib>
#include <sstream>

#include "daemoneye/ledger/entry.h"
#include "daemoneye/ledger/verify.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  if (auto entry = de::ledger::decode(bytes)) {
    const auto again = de::ledger::encode(*entry);
    if (!again || *again != bytes) std::abort();
  }
  (void)de::ledger::stated_bytes(bytes);  // Only has to return.
  std::istringstream stream(bytes);
  std::uint64_t visited = 0;
  const auto report = de::ledger::verify_stream(stream, [&visited](const de::ledger::Entry&) { ++visited; });
  if (!report || report->entries != visited) std::abort();
  if (report->bad && report->torn_tail_bytes != 0) std::abort();
  if (!report->bad && report->last_file_bytes + report->torn_tail_bytes != size) std::abort();
  return 0;
}
