#include "console/import_rules.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "console/local_rows.h"
#include "console/replace_file.h"
#include "daemoneye/base/text.h"
#include "daemoneye/config/yaml_tree.h"
#include "sigma/documents.h"

namespace de::console {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFiles = 20'000;
constexpr std::size_t kMaxFileBytes = 1UL << 20;
constexpr mode_t kRuleFileMode = 0644;

struct RuleFile {
  std::string path;
  std::string name;  // Below the directory that was given.
};

struct Counts {
  std::size_t converted = 0, waiting = 0, refused = 0;
};

// Links to directories are not followed: one could lead to itself.
Result<> add_directory(const std::string& directory, std::vector<RuleFile>& out) {
  std::error_code ec;
  std::string last = directory;  // Opened next, if it is a directory.
  auto entries = fs::recursive_directory_iterator(directory, ec);
  for (; !ec && entries != fs::recursive_directory_iterator(); entries.increment(ec)) {
    const fs::path& path = entries->path();
    last = path.string();
    std::error_code unknown;
    if ((path.extension() != ".yml" && path.extension() != ".yaml") || !entries->is_regular_file(unknown)) continue;
    if (out.size() == kMaxFiles)
      return fail(Errc::TooLarge, "more than " + std::to_string(kMaxFiles) + " rule files; name a smaller directory");
    out.push_back({path.string(), fs::relative(path, directory, unknown).string()});
  }
  if (ec) return fail(ec == std::errc::permission_denied ? Errc::Denied : Errc::Io, "read " + last, ec);
  return {};
}

Result<std::vector<RuleFile>> find_files(const std::vector<std::string>& paths) {
  std::vector<RuleFile> out;
  for (const std::string& path : paths) {
    std::error_code ec;
    if (fs::is_directory(path, ec))
      DE_CHECK(add_directory(path, out));
    else
      out.push_back({path, fs::path(path).filename().string()});
  }
  std::ranges::sort(out, {}, &RuleFile::path);
  return out;
}

// {admins: [alice, bob]}
Result<sigma::Placeholders> read_placeholders(const std::string& path) {
  sigma::Placeholders out;
  if (path.empty()) return out;
  DE_TRY(text, read_file(path, kMaxFileBytes));
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

Result<> write_rule(const std::string& directory, const sigma::Converted& rule) {
  const std::string path = directory + "/" + rule.id + ".yaml";
  std::string before;
  if (std::error_code ec; fs::exists(path, ec)) {
    DE_TRY(text, read_file(path, 2 * kMaxFileBytes));
    before = std::move(text);
  }
  if (before == rule.yaml) return {};
  return replace_file(path, rule.yaml, before, kRuleFileMode);
}

// Every file is read before one is converted: correlations and filters name rules of other files.
class Import {
 public:
  Import(const RulesImportCommand& command, sigma::Placeholders placeholders)
      : command_(command), placeholders_(std::move(placeholders)) {}

  void read(const RuleFile& file) {
    auto text = read_file(file.path, kMaxFileBytes);
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
  Result<> take(std::size_t place, const RuleFile& file) {
    if (documents_.kind_of(place) == sigma::Kind::Filter) {
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
      add(file, "waits", made->id, "for the table " + made->table);
    } else {
      if (!command_.into.empty()) DE_CHECK(write_rule(command_.into, *made));
      add(file, "converted", made->id, "");
    }
    return {};
  }

  void add(const RuleFile& file, std::string_view outcome, const std::string& id, const std::string& why) {
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
  std::vector<std::pair<std::size_t, RuleFile>> found_;
  std::set<std::string> ids_;
  std::vector<pb::Row> rows_;
  Counts counts_;
};

}  // namespace

ExitCode import_rules(const RulesImportCommand& command, Answer& answer, const Streams& streams) {
  if (std::error_code ec; !command.into.empty() && !fs::is_directory(command.into, ec))
    return say_error(Error(Errc::Invalid, command.into + " is not a directory: make it, or name one of rules.dirs"),
                     streams);
  auto files = find_files(command.paths);
  if (!files) return say_error(files.error(), streams);
  auto placeholders = read_placeholders(command.placeholders);
  if (!placeholders) return say_error(placeholders.error(), streams);
  Import import(command, std::move(*placeholders));
  for (const RuleFile& file : *files) import.read(file);
  const Result<> written = import.convert();
  constexpr std::string_view kNames[] = {"file", "outcome", "id", "reason"};
  present(answer, kNames, import.rows());
  const ExitCode shown = answer.finish();
  if (!written) return say_error(written.error(), streams);
  const Counts& counts = import.counts();
  say(streams, std::to_string(counts.converted) + " converted" +
                   (command.into.empty() ? " (nothing is written without --into DIR)" : " into " + command.into) +
                   ", " + std::to_string(counts.waiting) + " wait for a table this version has not, " +
                   std::to_string(counts.refused) + " refused");
  return shown == ExitCode::Complete && counts.refused > 0 ? ExitCode::Degraded : shown;
}

}  // namespace de::console
