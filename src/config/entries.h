// The keys whose value is a list of entries: `sinks` and `collectors`. Each entry's fields are a table like the keys'.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <vector>

#include "slot.h"

namespace de::config {

// Errc::Invalid with the place of the entry or the field; `out` changes only on success.
Result<> parse_entries(const FieldInfo& info, const Node& node, const Place& place, std::vector<SinkConfig>& out);
Result<> parse_entries(const FieldInfo& info, const Node& node, const Place& place, std::vector<CollectorConfig>& out);

std::string show_entries(std::vector<SinkConfig>& entries);
std::string show_entries(std::vector<CollectorConfig>& entries);

// One line per field for the sample file: "min_severity: lowest severity delivered (one of low, ...; default low)".
std::vector<std::string> help_of_sinks();
std::vector<std::string> help_of_collectors();

}  // namespace de::config
