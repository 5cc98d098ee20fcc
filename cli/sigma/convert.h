// A Sigma rule as a rule of ours.
//
// Thread: any (pure functions).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "sigma/item.h"

namespace de::sigma {

struct Converted {
  std::string id;    // "sigma-" and the rule's own.
  std::string yaml;  // A rule file.
  std::string sql;
  std::string table;
  bool is_served = true;  // Else it waits for a collector that tells the table.
};

struct ConvertOptions {
  Placeholders placeholders{};
  std::string source{};  // Where the rule came from; kept on it.
};

// A document and the file it is from, for errors.
struct Document {
  std::string file;
  config::Node node;
};

// What a rule looks for, over the columns of its log source.
struct Detection {
  const LogSource* source = nullptr;
  std::string sql;
};

// With `filters`, documents that narrow the rule down. Errors: Invalid (with "file:line:column:").
Result<Detection> detection_of(const Document& rule, std::span<const Document* const> filters,
                               const Placeholders& placeholders);

// What cannot be said in SQL exactly is an error, never something near it. Errors: Invalid (with "file:line:column:"),
// TooLarge.
Result<Converted> convert(const Document& rule, std::span<const Document* const> filters,
                          const ConvertOptions& options);
// The one document of a text; `file` begins errors.
Result<Converted> convert(std::string_view file, std::string_view text, const ConvertOptions& options);

// "sigma-" and what the document calls itself, which becomes the name of a file. Errors: Invalid.
Result<std::string> id_of(const Document& document);
// The text at `key`; empty when there is none.
std::string text_of(const config::Node& node, std::string_view key);
// The rule file of `made`, with what `document` says about itself; `running` are the lines on how it runs.
// Errors: Invalid, TooLarge.
Result<std::string> to_rule_file(const Document& document, const Converted& made, const std::string& running,
                                 const ConvertOptions& options);

}  // namespace de::sigma
