// A host as `corpora/osquery/fixture` describes it in osquery's tables, told to the agent's own SQL in our terms.
#pragma once

#include <google/protobuf/struct.pb.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemoneye/schema/table.h"
#include "mirror/host_source.h"
#include "mirror/image.h"
#include "mirror/stored_source.h"

namespace de::osquery {

using Json = google::protobuf::Struct;

inline std::string corpus_dir() { return DE_SOURCE_DIR "/../shared/corpora/osquery"; }
std::string read_whole(const std::string& path);
std::vector<Json> read_json_lines(const std::string& path);
std::string text_of(const Json& row, const std::string& field);
std::int64_t number_of(const Json& row, const std::string& field);

// As in the fixture's README: `now` is 1780000000.
constexpr std::int64_t kFixtureNow = 1'780'000'000;
// The statement with the clock of the fixture in it.
std::string at_fixture_time(std::string sql);

class Fixture final : public mirror::StoredSource, public mirror::HostSource {
 public:
  Fixture();

  std::shared_ptr<const mirror::Image> image() const;

  mirror::NextRows read(const mirror::StoredQuery& query) const override;
  Result<std::vector<pb::Reason>> missing(mirror::StoredTable, std::int64_t, std::int64_t) const override {
    return std::vector<pb::Reason>();
  }
  Result<std::vector<mirror::HostRow>> rows(schema::HostTable table) const override;
  Result<std::optional<mirror::HostRow>> named(schema::HostTable table, std::string_view path) const override;
  std::size_t max_files() const override { return 10'000; }

 private:
  void add_event(const Json& row);

  std::map<std::string, std::vector<Json>> tables_;
  std::map<std::string, std::string> hashes_;  // By path.
  std::vector<std::vector<schema::Cell>> events_;
};

}  // namespace de::osquery
