#include "console/import_rules.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "console/foreign_files.h"
#include "console/import_osquery.h"
#include "console/local_rows.h"
#include "daemoneye/base/text.h"
#include "daemoneye/config/yaml_tree.h"
#include "sigma/documents.h"

namespace de::console {
namespace {

namespace fs = std::filesystem;

struct Counts {
  std::size_t converted = 0, waiting = 0, refused = 0;
};

// {admins: [alice, bob]}
Result<sigma::Placeholders> read_placeholders(const std::string& path) {
  sigma::Placeholders out;
  if (path.empty()) return out;
  DE_TRY(text, read_file(path, kMaxForeignFileBytes));
  DE_TRY(root, config::parse_yaml(path, text));
  if (!root.is_map()) return fail(Errc::Invalid, path + ": expected names, each with a list of values");
  for (const auto& [name, values] : root.entries) {
    if (!values.is_list() || values.items.empty())
      return fail(Errc::Invalid, config::at(path, values) + ": expected a list of values for " + name.text);
    for (const config::Node& value : values.items) {
      if (!value.is_scalar())
        return fail(Errc::Invalid, config::at(path, value) + ": a value of " + name.text + " must be text");
      out[name.text].push_back(value.text);
    }
  }
  return out;
}

// Every file is read before one is converted: correlations and filters name rules of other files.
class Import {
 public:
  Import(const RulesImportCommand& command, sigma::Placeholders placeholders)
      : command_(command), placeholders_(std::move(placeholders)) {}

  void read(const ForeignFile& file) {
    auto text = read_file(file.path, kMaxForeignFileBytes);
    if (!text) return add(file, "refused", "", text.error().message());
    const auto places = documents_.add(file.path, *text);
    if (!places) return add(file, "refused", "", places.error().message());
    for (const std::size_t place : *places) found_.emplace_back(place, file);
  }

  // Errors: those of writing, which end it.
  Result<> convert() {
    for (const auto& [place, file] : found_) DE_CHECK(take(place, file));
    std::ranges::stable_sort(rows_, {}, [](const pb::Row& row) -> const std::string& { return row.values(0).text(); });
    return {};
  }

  const std::vector<pb::Row>& rows() const { return rows_; }
  const Counts& counts() const { return counts_; }

 private:
  Result<> take(std::size_t place, const ForeignFile& file) {
    if (documents_.kind_of(place) == sigma::DocumentKind::Filter) {
      const auto rules = documents_.applies_to(place);
      if (!rules)
        add(file, "refused", "", rules.error().message());
      else
        add(file, "filter", "", "narrows down " + std::to_string(*rules) + " rules");
      return {};
    }
    sigma::ConvertOptions options{placeholders_, command_.source.empty() ? file.name : command_.source + file.name};
    auto made = documents_.convert(place, options);
    if (!made) {
      add(file, "refused", "", made.error().message());
    } else if (!ids_.insert(made->id).second) {
      add(file, "refused", made->id, file.path + ": another of these files has the same id");
    } else if (const std::string whole = documents_.only_for(place); !whole.empty()) {
      add(file, "part", made->id, "of the correlation \"" + whole + "\", without alerts of its own");
    } else if (!made->is_served) {
      add(file, "waits", made->id, "for a collector that tells the table " + made->table);
    } else {
      if (!command_.into.empty()) DE_CHECK(write_rule(command_.into, made->id, made->yaml));
      add(file, "converted", made->id, "");
    }
    return {};
  }

  void add(const ForeignFile& file, std::string_view outcome, const std::string& id, const std::string& why) {
    if (outcome == "converted") ++counts_.converted;
    if (outcome == "waits") ++counts_.waiting;
    if (outcome == "refused") ++counts_.refused;
    pb::Row& row = rows_.emplace_back();
    for (const std::string_view value :
         {std::string_view(file.name), outcome, std::string_view(id), std::string_view(why)})
      *row.add_values() = text_value(value);
  }

  const RulesImportCommand& command_;
  const sigma::Placeholders placeholders_;
  sigma::Documents documents_;
  std::vector<std::pair<std::size_t, ForeignFile>> found_;
  std::set<std::string> ids_;
  std::vector<pb::Row> rows_;
  Counts counts_;
};

}  // namespace

ExitCode import_rules(const RulesImportCommand& command, Answer& answer, const Streams& streams) {
  if (command.paths.empty() && command.osquery_paths.empty())
    return say_error(Error(Errc::Invalid, "name what to import: --sigma PATH or --osquery PATH"), streams);
  if (std::error_code ec; !command.into.empty() && !fs::is_directory(command.into, ec))
    return say_error(Error(Errc::Invalid, command.into + " is not a directory: make it, or name one of rules.dirs"),
                     streams);
  if (!command.osquery_paths.empty()) return import_osquery(command, answer, streams);
  static constexpr std::string_view kEndings[] = {".yml", ".yaml"};
  auto files = find_rule_files(command.paths, kEndings);
  if (!files) return say_error(files.error(), streams);
  auto placeholders = read_placeholders(command.placeholders);
  if (!placeholders) return say_error(placeholders.error(), streams);
  Import import(command, std::move(*placeholders));
  for (const ForeignFile& file : *files) import.read(file);
  const Result<> written = import.convert();
  constexpr std::string_view kNames[] = {"file", "outcome", "id", "reason"};
  present(answer, kNames, import.rows());
  const ExitCode shown = answer.finish();
  if (!written) return say_error(written.error(), streams);
  const Counts& counts = import.counts();
  say(streams, std::to_string(counts.converted) + " converted" +
                   (command.into.empty() ? " (nothing is written without --into DIR)" : " into " + command.into) +
                   ", " + std::to_string(counts.waiting) + " wait for a collector that tells their table, " +
                   std::to_string(counts.refused) + " refused");
  return shown == ExitCode::Complete && counts.refused > 0 ? ExitCode::Degraded : shown;
}

}  // namespace de::console
