// All documents of one import: rules, correlations that put rules together, and filters that narrow them down. They
// name each other by id or name, across files.
//
// Thread: any; one owner at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemoneye/base/result.h"
#include "sigma/convert.h"

namespace de::sigma {

enum class DocumentKind : std::uint8_t { Rule, Correlation, Filter };

class Documents {
 public:
  static constexpr std::size_t kMaxDocuments = 40'000;

  // The documents of a file; their places, counted over all files. Errors: Invalid, TooLarge.
  Result<std::vector<std::size_t>> add(const std::string& file, std::string_view text);

  DocumentKind kind_of(std::size_t place) const { return kinds_[place]; }
  // The correlation that alone uses this rule, by title: on its own the rule then says nothing. Empty: it does.
  std::string only_for(std::size_t place) const;
  // Of a rule with the filters that name it, or of a correlation. Errors: Invalid (with "file:line:column:"), TooLarge.
  Result<Converted> convert(std::size_t place, const ConvertOptions& options) const;
  // How many rules a filter narrows down. Errors: Invalid (it names one that is not here).
  Result<std::size_t> applies_to(std::size_t filter) const;

 private:
  bool is_named(std::size_t place, std::string_view reference) const;
  bool narrows(const config::Node& filter, std::size_t rule) const;
  std::vector<const Document*> filters_for(std::size_t rule) const;
  Result<std::size_t> find(const Document& from, const std::string& reference) const;
  Result<Converted> convert_put_together(const Document& correlation, const ConvertOptions& options) const;

  std::vector<Document> documents_;
  std::vector<DocumentKind> kinds_;
  std::vector<std::size_t> correlations_;
  std::vector<std::size_t> filters_;
};

}  // namespace de::sigma
