#include "console/foreign_files.h"

#include <sys/types.h>

#include <algorithm>
#include <filesystem>

#include "console/replace_file.h"
#include "console/text_io.h"

namespace de::console {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kRuleFileMode = 0644;

// Links to directories are not followed: one could lead to itself.
Result<> add_directory(const std::string& directory, std::span<const std::string_view> endings,
                       std::vector<ForeignFile>& out) {
  std::error_code ec;
  std::string last = directory;  // Opened next, if it is a directory.
  auto entries = fs::recursive_directory_iterator(directory, ec);
  for (; !ec && entries != fs::recursive_directory_iterator(); entries.increment(ec)) {
    const fs::path& path = entries->path();
    last = path.string();
    std::error_code unknown;
    if (std::ranges::find(endings, path.extension().string()) == endings.end() || !entries->is_regular_file(unknown))
      continue;
    if (out.size() == kMaxForeignFiles)
      return fail(Errc::TooLarge,
                  "more than " + std::to_string(kMaxForeignFiles) + " rule files; name a smaller directory");
    out.push_back({path.string(), fs::relative(path, directory, unknown).string()});
  }
  if (ec) return fail(ec == std::errc::permission_denied ? Errc::Denied : Errc::Io, "read " + last, ec);
  return {};
}

}  // namespace

Result<std::vector<ForeignFile>> find_rule_files(const std::vector<std::string>& paths,
                                                 std::span<const std::string_view> endings) {
  std::vector<ForeignFile> out;
  for (const std::string& path : paths) {
    std::error_code ec;
    if (fs::is_directory(path, ec))
      DE_CHECK(add_directory(path, endings, out));
    else
      out.push_back({path, fs::path(path).filename().string()});
  }
  std::ranges::sort(out, {}, &ForeignFile::path);
  return out;
}

Result<> write_rule(const std::string& directory, const std::string& id, const std::string& yaml) {
  const std::string path = directory + "/" + id + ".yaml";
  std::string before;
  if (std::error_code ec; fs::exists(path, ec)) {
    DE_TRY(text, read_file(path, 2 * kMaxForeignFileBytes));
    before = std::move(text);
  }
  if (before == yaml) return {};
  return replace_file(path, yaml, before, kRuleFileMode);
}

}  // namespace de::console
