#include "sigma/documents.h"

#include <algorithm>

#include "daemoneye/base/text.h"
#include "sigma/correlation.h"

namespace de::sigma {
namespace {

using config::Node;

bool has_word(const Node& list, const auto& is_it) {
  return std::ranges::any_of(values_of(list), [&](const Node& one) { return one.is_scalar() && is_it(one.text); });
}

}  // namespace

Result<std::vector<std::size_t>> Documents::add(const std::string& file, std::string_view text) {
  DE_TRY(nodes, config::parse_yaml_documents(file, text));
  if (nodes.empty()) return fail(Errc::Invalid, escape_controls(file) + ": the file is empty");
  std::vector<std::size_t> out;
  for (Node& node : nodes) {
    if (node.is_null() && nodes.size() > 1) continue;  // Behind the last "---".
    if (documents_.size() == kMaxDocuments)
      return fail(Errc::TooLarge, "more than " + std::to_string(kMaxDocuments) + " rules; name a smaller directory");
    const bool is_correlation = node.find("correlation") != nullptr;
    const bool is_filter = node.find("filter") != nullptr && node.find("detection") == nullptr;
    kinds_.push_back(is_correlation ? DocumentKind::Correlation
                     : is_filter    ? DocumentKind::Filter
                                    : DocumentKind::Rule);
    if (is_correlation) correlations_.push_back(documents_.size());
    if (kinds_.back() == DocumentKind::Filter) filters_.push_back(documents_.size());
    out.push_back(documents_.size());
    documents_.push_back({file, std::move(node)});
  }
  return out;
}

bool Documents::is_named(std::size_t place, std::string_view reference) const {
  const Node& node = documents_[place].node;
  return !reference.empty() && (text_of(node, "id") == reference || text_of(node, "name") == reference);
}

std::string Documents::only_for(std::size_t place) const {
  std::string out;
  for (const std::size_t i : correlations_) {
    const Node* correlation = documents_[i].node.find("correlation");
    const Node* rules = correlation == nullptr ? nullptr : correlation->find("rules");
    if (rules == nullptr || !has_word(*rules, [&](const std::string& word) { return is_named(place, word); })) continue;
    if (text_of(*correlation, "generate") == "true") return {};
    out = text_of(documents_[i].node, "title");
  }
  return out;
}

bool Documents::narrows(const Node& filter, std::size_t rule) const {
  const Node* rules = filter.find("filter")->find("rules");
  const Node* ours = documents_[rule].node.find("logsource");
  if (rules == nullptr || ours == nullptr) return false;
  if (const Node* theirs = filter.find("logsource"); theirs != nullptr)
    for (const char* part : {"product", "category", "service"})
      if (const std::string wanted = text_of(*theirs, part); !wanted.empty() && wanted != text_of(*ours, part))
        return false;
  return has_word(*rules, [&](const std::string& word) { return word == "any" || is_named(rule, word); });
}

std::vector<const Document*> Documents::filters_for(std::size_t rule) const {
  std::vector<const Document*> out;
  for (const std::size_t i : filters_)
    if (narrows(documents_[i].node, rule)) out.push_back(&documents_[i]);
  return out;
}

Result<std::size_t> Documents::applies_to(std::size_t filter) const {
  const Document& document = documents_[filter];
  const Node& node = *document.node.find("filter");
  const Node* rules = node.find("rules");
  if (rules == nullptr) return fail(complaint(document.file, node, "the filter names no rules"));
  for (const Node& one : values_of(*rules))
    if (one.text != "any") DE_CHECK(find(document, one.text));
  std::size_t count = 0;
  for (std::size_t i = 0; i < documents_.size(); ++i)
    if (kinds_[i] == DocumentKind::Rule && narrows(document.node, i)) ++count;
  return count;
}

Result<std::size_t> Documents::find(const Document& from, const std::string& reference) const {
  for (std::size_t i = 0; i < documents_.size(); ++i)
    if (kinds_[i] != DocumentKind::Filter && is_named(i, reference)) return i;
  return fail(complaint(from.file, from.node,
                        "no rule with the id or name " + escape_controls(reference) + " is among these files"));
}

Result<Converted> Documents::convert_put_together(const Document& correlation, const ConvertOptions& options) const {
  DE_TRY(references, references_of(correlation));
  std::vector<Member> members;
  for (const std::string& reference : references) {
    DE_TRY(place, find(correlation, reference));
    if (kinds_[place] == DocumentKind::Correlation)
      return fail(complaint(correlation.file, correlation.node, "correlations of correlations are not converted"));
    DE_TRY(detection, detection_of(documents_[place], filters_for(place), options.placeholders));
    members.push_back({reference, std::move(detection)});
  }
  if (members.empty()) return fail(complaint(correlation.file, correlation.node, "the correlation names no rules"));
  return convert_correlation(correlation, members, options);
}

Result<Converted> Documents::convert(std::size_t place, const ConvertOptions& options) const {
  const Document& document = documents_[place];
  if (kinds_[place] == DocumentKind::Correlation) return convert_put_together(document, options);
  return sigma::convert(document, filters_for(place), options);
}

}  // namespace de::sigma
