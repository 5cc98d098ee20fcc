#include "console/import_osquery.h"

#include <set>

#include "console/foreign_files.h"
#include "console/local_rows.h"
#include "packs/convert.h"

namespace de::console {
namespace {

class OsqueryImport {
 public:
  explicit OsqueryImport(const RulesImportCommand& command) : command_(command) {}

  // Errors: those of writing, which end it.
  Result<> take(const ForeignFile& file) {
    const auto text = read_file(file.path, kMaxForeignFileBytes);
    if (!text) return add(file.name, "", "refused", "", "", text.error().message());
    const auto queries = packs::read_queries(file.path, *text);
    if (!queries) return add(file.name, "", "refused", "", "", queries.error().message());
    for (const packs::Query& query : *queries) DE_CHECK(take(file, query));
    return {};
  }

  const std::vector<pb::Row>& rows() const { return rows_; }
  std::size_t converted() const { return converted_; }
  std::size_t elsewhere() const { return elsewhere_; }
  std::size_t refused() const { return rows_.size() - converted_ - elsewhere_; }

 private:
  Result<> take(const ForeignFile& file, const packs::Query& query) {
    const std::string id = packs::id_of(query);
    const auto made = packs::convert(query, {command_.source + file.name, command_.license});
    if (!made) {
      const bool is_elsewhere = !packs::is_for_this_platform(query.platform);
      elsewhere_ += is_elsewhere ? 1U : 0U;
      return add(file.name, query.name, is_elsewhere ? "elsewhere" : "refused", id, "", made.error().message());
    }
    if (!ids_.insert(id).second)
      return add(file.name, query.name, "refused", id, "", "another of these queries has the same id");
    ++converted_;
    if (!command_.into.empty()) DE_CHECK(write_rule(command_.into, made->id, made->yaml));
    return add(file.name, query.name, "converted", id, made->runs, "");
  }

  Result<> add(std::string_view file, std::string_view query, std::string_view outcome, std::string_view id,
               std::string_view runs, std::string_view why) {
    pb::Row& row = rows_.emplace_back();
    for (const std::string_view value : {file, query, outcome, id, runs, why}) *row.add_values() = text_value(value);
    return {};
  }

  const RulesImportCommand& command_;
  std::set<std::string> ids_;
  std::vector<pb::Row> rows_;
  std::size_t converted_ = 0, elsewhere_ = 0;
};

}  // namespace

ExitCode import_osquery(const RulesImportCommand& command, Answer& answer, const Streams& streams) {
  static constexpr std::string_view kEndings[] = {".sql", ".conf", ".json"};
  auto files = find_rule_files(command.osquery_paths, kEndings);
  if (!files) return say_error(files.error(), streams);
  OsqueryImport import(command);
  Result<> written;
  for (const ForeignFile& file : *files)
    if (written = import.take(file); !written) break;
  constexpr std::string_view kNames[] = {"file", "query", "outcome", "id", "runs on", "reason"};
  present(answer, kNames, import.rows());
  const ExitCode shown = answer.finish();
  if (!written) return say_error(written.error(), streams);
  say(streams, std::to_string(import.converted()) + " converted" +
                   (command.into.empty() ? " (nothing is written without --into DIR)" : " into " + command.into) +
                   ", " + std::to_string(import.elsewhere()) + " for other systems, " +
                   std::to_string(import.refused()) + " refused");
  return shown == ExitCode::Complete && import.refused() > 0 ? ExitCode::Degraded : shown;
}

}  // namespace de::console
