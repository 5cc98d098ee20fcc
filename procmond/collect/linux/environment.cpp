#include "collect/linux/environment.h"

#include <algorithm>
#include <string>
#include <vector>

#include "collect/linux/proc_cmdline.h"
#include "collect/redact.h"

namespace de::collect {

void set_environment(std::string_view received, std::optional<std::uint64_t> length, bool mask,
                     pb::ProcessRecord& out) {
  const std::string_view kept = received.substr(0, kMaxEnvironment);
  const std::vector<std::string_view> entries = split_arguments(kept, kMaxArguments);
  bool cut = kept.size() < length.value_or(received.size());
  // Masking can make a text longer, so the limit counts once more.
  std::size_t room = kMaxEnvironment;
  for (const std::string_view entry : entries) {
    std::string text = mask ? mask_environment(entry) : std::string(entry);
    if (text.size() > room) {
      text.resize(room);
      cut = true;
    }
    room -= std::min(room, text.size() + 1);
    if (!text.empty() || !cut) out.add_environment(std::move(text));
    if (room == 0) break;
  }
  cut |= static_cast<std::size_t>(out.environment_size()) < entries.size();
  if (length) out.set_environment_length(*length);
  if (cut) out.set_environment_cut(true);
}

}  // namespace de::collect
