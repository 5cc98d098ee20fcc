// Rules of docs/style.md that a machine can check on the whole tree. Every rule is also shown something bad, so that a
// check that stopped working is noticed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "source_text.h"

namespace de::layout {
namespace {

namespace fs = std::filesystem;

struct File {
  std::string path;  // Relative to the repository, with '/'.
  std::string text;
};

using Offenders = std::vector<std::string>;
using Check = std::function<Offenders(const File&)>;

const std::vector<std::string> kProduct = {"src", "include", "procmond", "agent", "cli"};

bool is_source(const std::string& path) { return path.ends_with(".cpp") || path.ends_with(".h"); }

std::vector<File> files_below(const std::vector<std::string>& folders,
                              const std::function<bool(const std::string&)>& wanted) {
  std::vector<File> out;
  const fs::path root = DE_SOURCE_DIR;
  for (const std::string& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string path = entry.path().lexically_relative(root).generic_string();
      if (!entry.is_regular_file() || !wanted(path)) continue;
      std::ostringstream text;
      text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      out.push_back({path, text.str()});
    }
  }
  std::sort(out.begin(), out.end(), [](const File& a, const File& b) { return a.path < b.path; });
  return out;
}

const std::vector<File>& product_files() {
  static const std::vector<File> files = files_below(kProduct, is_source);
  return files;
}

void expect_none(const std::vector<File>& files, const Check& check) {
  ASSERT_FALSE(files.empty()) << "nothing to check: is DE_SOURCE_DIR right?";
  std::string list;
  for (const File& file : files) {
    for (const std::string& offender : check(file)) list += "  " + offender + "\n";
  }
  EXPECT_TRUE(list.empty()) << "offenders:\n" << list;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// "path:line: <line>" for every line that `pattern` finds something in.
Offenders matching_lines(const std::string& path, const std::string& text, const std::regex& pattern) {
  Offenders out;
  int number = 0;
  for (const std::string& line : lines_of(text)) {
    ++number;
    if (std::regex_search(line, pattern)) out.push_back(path + ":" + std::to_string(number) + ": " + line);
  }
  return out;
}

Check longer_than(std::size_t limit) {
  return [limit](const File& file) -> Offenders {
    const std::size_t lines = lines_of(file.text).size();
    if (lines <= limit) return {};
    return {file.path + " has " + std::to_string(lines) + " lines, limit " + std::to_string(limit)};
  };
}

Offenders vague_names(const File& file) {
  static const std::regex kVague(R"((^|[/_.-])(utils?|commons?|helpers?|managers?|misc|cores?)([/_.-]|$))");
  if (std::regex_search(file.path, kVague)) return {file.path};
  return {};
}

// How a third-party header begins -> where it may be included.
struct Wrapped {
  const char* header;
  const char* homes;
};
constexpr Wrapped kWrapped[] = {
    {"lmdb.h", "agent/store/"},
    {"zstd", "agent/store/"},
    {"sqlite3", "agent/mirror/"},
    {"re2/", "agent/mirror/"},
    {"yaml-cpp/", "src/config/"},
    {"toml++/", "src/config/"},
    {"openssl/", "src/crypto/|agent/courier/"},
    {"sodium", "src/crypto/"},
    {"blake3", "src/crypto/"},
    {"spdlog/", "src/log/"},
    {"CLI/", "procmond/daemon/|agent/daemon/|agent/courier/|cli/console/"},
    {"curl/", "agent/courier/"},
};

Offenders strayed_headers(const File& file) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*[<"])");
  Offenders out;
  for (const std::string& line : lines_of(file.text)) {
    if (line.find('#') == std::string::npos || !std::regex_search(line, kInclude)) continue;
    const std::string header = line.substr(line.find_first_of("<\"") + 1);
    for (const Wrapped& wrapped : kWrapped) {
      if (!header.starts_with(wrapped.header)) continue;
      if (std::regex_search(file.path, std::regex(std::string("^(") + wrapped.homes + ")"))) continue;
      out.push_back(file.path + ": " + line + "   (belongs into " + wrapped.homes + ")");
    }
  }
  return out;
}

bool includes_argument_library(const File& file) {
  static const std::regex kInclude(R"((^|\n)\s*#\s*include\s*[<"]CLI/)");
  return std::regex_search(file.text, kInclude);
}

// A program whose command line is taken apart in several places: program -> files.
Offenders split_command_lines(const std::vector<File>& files) {
  std::map<std::string, std::vector<std::string>> users;
  for (const File& file : files) {
    if (includes_argument_library(file)) users[file.path.substr(0, file.path.rfind('/'))].push_back(file.path);
  }
  Offenders out;
  for (const auto& [program, paths] : users) {
    if (paths.size() < 2) continue;
    std::string line = program + ":";
    for (const std::string& path : paths) line += " " + path;
    out.push_back(line);
  }
  return out;
}

Offenders os_macros(const File& file) {
  static const std::regex kOsFolder(R"(/(posix|linux|bsd|macos|freebsd|windows)/)");
  if (std::regex_search(file.path, kOsFolder)) return {};
  static const std::regex kMacro(
      R"(^\s*#\s*(if|ifdef|ifndef|elif|elifdef)\b.*\b(__linux__|__linux|linux|__APPLE__|_WIN32|_WIN64|WIN32|__FreeBSD__|__OpenBSD__|__NetBSD__|__unix__|__ANDROID__|_MSC_VER)\b)");
  return matching_lines(file.path, without_literals(file.text), kMacro);
}

Offenders unfinished_work(const File& file) {
  static const std::regex kMarker(
      R"(\b(TODO|FIXME|XXX|HACK)\b|\b(for now|placeholder|in a real implementation|not (yet )?implemented)\b|\bstub(s|bed)?\b)",
      std::regex::icase);
  return matching_lines(file.path, file.text, kMarker);
}

Offenders dangerous_awaits(const File& file) {
  Offenders out;
  for (const Statement& statement : awaiting_statements(without_literals(file.text))) {
    for (const std::string& shape : banned_shapes(statement)) {
      out.push_back(file.path + ":" + std::to_string(statement.line) + ": co_await with " + shape + ": " +
                    std::regex_replace(statement.text, std::regex(R"(\s+)"), " "));
    }
  }
  return out;
}

Offenders disabled_tests(const File& file) {
  static const std::regex kDisabled(R"(^\s*(TYPED_)?TEST(_[FP])?\s*\([^)]*\bDISABLED_)");
  return matching_lines(file.path, without_literals(file.text), kDisabled);
}

File product(std::string text) { return {"agent/store/day.cpp", std::move(text)}; }

TEST(Layout, SourceFilesAreShort) {
  EXPECT_EQ(longer_than(400)(product(std::string(401, '\n'))).size(), 1U);
  EXPECT_TRUE(longer_than(400)(product(std::string(400, '\n'))).empty());
  expect_none(product_files(), longer_than(400));
}

TEST(Layout, DocumentsAreShort) {
  EXPECT_EQ(longer_than(300)({"docs/x.md", std::string(301, '\n')}).size(), 1U);
  expect_none(files_below({"docs"}, [](const std::string& path) { return path.ends_with(".md"); }), longer_than(300));
}

TEST(Layout, NamesSayWhatIsInside) {
  for (const char* bad : {"src/base/utils.h", "agent/common/x.cpp", "cli/string_helper.cpp", "agent/bus/manager.h",
                          "procmond/core/x.h", "tests/misc/a.cpp", "src/store-manager.h"}) {
    EXPECT_EQ(vague_names({bad, ""}).size(), 1U) << bad;
  }
  for (const char* good : {"src/base/score.h", "agent/store/record_codec.cpp", "cli/commonplace.h"}) {
    EXPECT_TRUE(vague_names({good, ""}).empty()) << good;
  }
  std::vector<std::string> folders = kProduct;
  folders.insert(folders.end(), {"tests", "bench", "docs", "proto", "packaging"});
  expect_none(files_below(folders, [](const std::string& path) { return path.find("/corpus/") == std::string::npos; }),
              vague_names);
}

TEST(Layout, ThirdPartyHeadersStayInTheirModule) {
  for (const char* header : {"lmdb.h", "zstd.h", "re2/re2.h", "yaml-cpp/yaml.h", "toml++/toml.h", "openssl/evp.h",
                             "sodium.h", "blake3.h", "spdlog/spdlog.h", "CLI/CLI.hpp", "sqlite3.h", "curl/curl.h"}) {
    const File bad{"procmond/collect/x.cpp", std::string("#include <") + header + ">\n"};
    EXPECT_EQ(strayed_headers(bad).size(), 1U) << header;
  }
  EXPECT_TRUE(strayed_headers({"agent/mirror/gate.cpp", "#include <sqlite3.h>\n#include <re2/re2.h>\n"}).empty());
  expect_none(product_files(), strayed_headers);
}

TEST(Layout, EachProgramParsesItsCommandLineInOneFile) {
  const std::string include = "#include <CLI/CLI.hpp>\n";
  EXPECT_EQ(split_command_lines({{"cli/console/a.cpp", include}, {"cli/console/b.cpp", include}}).size(), 1U);
  EXPECT_TRUE(split_command_lines({{"cli/console/a.cpp", include}, {"agent/daemon/b.cpp", include}}).empty());
  for (const std::string& offender : split_command_lines(product_files())) ADD_FAILURE() << offender;
}

TEST(Layout, OsMacrosStayInOsFolders) {
  EXPECT_EQ(os_macros({"src/base/x.h", "#if defined(__linux__)\n#endif\n"}).size(), 1U);
  EXPECT_EQ(os_macros({"src/base/x.h", "#ifdef _WIN32\n#elif __APPLE__\n#endif\n"}).size(), 2U);
  EXPECT_TRUE(os_macros({"src/link/linux/x.cpp", "#ifdef __linux__\n"}).empty());
  EXPECT_TRUE(os_macros({"src/base/x.h", "// #ifdef __linux__ is banned here\n#ifndef NDEBUG\n"}).empty());
  expect_none(product_files(), os_macros);
}

TEST(Layout, NothingIsUnfinished) {
  for (const char* bad : {"// TODO: later", "// fixme", "// good enough for now", "int x;  // placeholder",
                          "// This is a stub.", "return fail(Errc::Unsupported, \"not implemented\");"}) {
    EXPECT_EQ(unfinished_work(product(bad)).size(), 1U) << bad;
  }
  EXPECT_TRUE(unfinished_work(product("// Before nowhere, stubborn processes: nothing to do.")).empty());
  expect_none(product_files(), unfinished_work);
}

TEST(Layout, NoAwaitInAShapeThatTheCompilerBreaks) {
  const std::pair<const char*, std::size_t> samples[] = {
      // Banned.
      {"Task<> f() { co_await run_on(pool, [x] { return x; }); }", 1},
      {"Task<> f() { auto r = co_await run_on(pool, [&]() { return 1; }); }", 1},
      {"Task<> f() { co_await write(Limits{1, 2}); }", 1},
      {"Task<> f() { co_await write({1, 2}); }", 1},
      {"Task<> f() { auto x = ok ? co_await a() : co_await b(); }", 1},
      {"Task<> f() { Record r{co_await g(), 2}; }", 1},
      {"Task<> f() { co_return Record{co_await g(), 2}; }", 1},
      {"Task<> f() { Record r = {.a = 1, .b = co_await g()}; }", 1},
      {"Task<> f() { auto [a, b] = co_await g(); }", 1},
      {"Task<> f() { for (auto& [a, b] : co_await g()) use(a, b); }", 1},
      {"Task<> f() { if (auto r = co_await g(A{1}); !r) { x(); } }", 1},
      // Safe.
      {"Task<> f() { if (auto r = co_await g(); !r) co_return fail(\"a ? b {c}\"); }", 0},
      {"Task<> f() { auto job = [x] { return x; };\n auto r = co_await run_on(pool, std::move(job)); }", 0},
      {"Task<> f() { spawn([this]() -> Task<> { co_await run(); }); }", 0},
      {"Task<> f() { auto loop = [self]() mutable -> Task<> { co_return co_await self->run(); }; spawn(loop); }", 0},
      {"Task<> f() { Record r{1, 2}; while (r.a > 0) { co_await g(std::move(r)); } }", 0},
      {"Task<> f() { use(values[co_await g()]); if (x ? y : z) { co_await g(); } }", 0},
      {"struct A { int b{0}; };\nTask<> f() { DE_CO_TRY(value, co_await g(1'000, 'x')); }", 0},
  };
  for (const auto& [text, count] : samples) {
    EXPECT_EQ(dangerous_awaits(product(text)).size(), count) << text;
  }
  expect_none(product_files(), dangerous_awaits);
}

TEST(Layout, NoTestIsSwitchedOff) {
  const std::string off = "DISABLED";
  EXPECT_EQ(disabled_tests({"tests/x.cpp", "TEST(Store, " + off + "_Opens) {}\n"}).size(), 1U);
  EXPECT_TRUE(disabled_tests({"tests/x.cpp", "TEST(Store, Opens) {}\n// " + off + "_\n"}).empty());
  expect_none(files_below({"tests"}, is_source), disabled_tests);
}

}  // namespace
}  // namespace de::layout
