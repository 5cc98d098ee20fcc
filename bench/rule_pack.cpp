#include "rule_pack.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string_view>

#include "sigma/convert.h"

namespace de::bench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSigmaRules = DE_SOURCE_DIR "/../shared/corpora/sigma/rules";

struct PackRule {
  std::string id;
  std::string yaml;
  std::string sql;
};

std::vector<PackRule> converted(Pack pack) {
  std::vector<std::string> files;
  std::error_code ec;
  for (const auto& entry : fs::recursive_directory_iterator(kSigmaRules, ec)) {
    const std::string path = entry.path().string();
    // Those for hunting match what happens all the time, and are for a person who looks at it.
    const bool is_wanted = path.ends_with(".yml") && path.find("process_creation") != std::string::npos &&
                           path.find("rules-threat-hunting") == std::string::npos;
    if (is_wanted && (pack == Pack::All || path.find("linux") != std::string::npos)) files.push_back(path);
  }
  std::ranges::sort(files);
  std::vector<PackRule> out;
  for (const std::string& file : files) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    auto made = sigma::convert(file, text.str(), {});
    if (made && made->is_served) out.push_back({made->id, made->yaml, made->sql});
  }
  return out;
}

std::vector<PackRule> made_up() {
  std::vector<PackRule> out;
  for (int i = 0; i < 100; ++i) {
    const std::string number = std::to_string(i);
    PackRule rule{"made-up-" + number, "",
                  "SELECT pid, name, command_line FROM processes.events WHERE event_type = 'exec' AND "};
    rule.sql += "((executable_path LIKE '%/tool" + std::to_string(i % 20) + "') AND (command_line LIKE '%--option" +
                number + "%' OR command_line LIKE '% word" + number + " %'))";
    rule.yaml = "id: " + rule.id + "\nname: Made up\nseverity: low\non: event\nsql: |\n  " + rule.sql + "\n";
    out.push_back(std::move(rule));
  }
  return out;
}

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }

// `tag` behind the last word of a literal, unless it names a program: many rules are about the same ones.
std::string with_tag(std::string literal, const std::string& tag) {
  if (literal.find(".exe") != std::string::npos || literal.find('[') != std::string::npos) return literal;
  std::size_t end = literal.size();
  while (end > 0 && !is_letter(literal[end - 1])) --end;
  std::size_t begin = end;
  while (begin > 0 && is_letter(literal[begin - 1])) --begin;
  if (end - begin >= 2) literal.insert(end, tag);
  return literal;
}

// The statement about other words: those that are compared, not patterns and paths into JSON.
std::string altered(const std::string& sql, const std::string& tag) {
  std::string out;
  for (std::size_t at = 0; at < sql.size();) {
    if (sql[at] != '\'') {
      out += sql[at++];
      continue;
    }
    std::size_t end = sql.find('\'', at + 1);
    while (end + 1 < sql.size() && sql[end + 1] == '\'') end = sql.find('\'', end + 2);
    const std::string literal = sql.substr(at + 1, end - at - 1);
    const bool is_word = (out.ends_with("LIKE ") || out.ends_with(" = ")) && !out.ends_with("event_type = ");
    out += "'" + (is_word ? with_tag(literal, tag) : literal) + "'";
    at = end + 1;
  }
  return out;
}

void replace(std::string& in, const std::string& what, const std::string& with) {
  if (const std::size_t at = in.find(what); at != std::string::npos) in.replace(at, what.size(), with);
}

constexpr std::array<std::string_view, 24> kPackPrograms = {
    "/usr/bin/bash",  "/usr/bin/sh",        "/usr/bin/python3", "/usr/bin/grep",         "/usr/bin/sed",
    "/usr/bin/awk",   "/usr/bin/git",       "/usr/bin/make",    "/usr/bin/gcc",          "/usr/bin/ls",
    "/usr/bin/cat",   "/usr/bin/rm",        "/usr/bin/mkdir",   "/usr/bin/cp",           "/usr/bin/tar",
    "/usr/sbin/cron", "/usr/bin/date",      "/usr/bin/find",    "/usr/lib/git-core/git", "/usr/bin/ssh",
    "/usr/bin/node",  "/usr/local/bin/app", "/usr/bin/env",     "/usr/bin/sort"};

}  // namespace

void write_pack(const std::string& dir, Pack pack, std::size_t count) {
  std::vector<PackRule> rules = converted(pack);
  if (rules.empty()) rules = made_up();
  for (std::size_t i = 0; i < count; ++i) {
    const PackRule& rule = rules[i % rules.size()];
    const std::size_t copy = i / rules.size();
    std::string yaml = rule.yaml;
    if (copy > 0) {
      const std::string tag = "q" + std::to_string(copy);
      replace(yaml, rule.sql, altered(rule.sql, tag));
      replace(yaml, rule.id, rule.id + "-" + tag);
    }
    std::ofstream(dir + "/" + std::to_string(i) + ".yaml") << yaml;
  }
}

std::string Starts::word() {
  static constexpr std::array<std::string_view, 16> kWords = {"--config=/etc/app/",
                                                              "/var/lib/data/",
                                                              "-o",
                                                              "--verbose",
                                                              "src/module/file_",
                                                              "https://repo.example/",
                                                              "/home/alice/work/",
                                                              "-name",
                                                              "build/out_",
                                                              "HEAD~",
                                                              "/tmp/cc",
                                                              "--exclude=node_modules",
                                                              "release-2026.",
                                                              "status",
                                                              "refs/heads/",
                                                              "-I/usr/include/"};
  return std::string(kWords[random_() % kWords.size()]) + std::to_string(random_() % 1'000'000);
}

std::shared_ptr<pb::ProcessEvent> Starts::next() {
  auto event = std::make_shared<pb::ProcessEvent>();
  event->set_event_type(pb::EVENT_TYPE_EXEC);
  event->set_event_time_ms(1'767'225'600'000 + static_cast<std::int64_t>(++sequence_));
  event->set_sequence(sequence_);
  const std::string path(kPackPrograms[random_() % kPackPrograms.size()]);
  const std::string parent(kPackPrograms[random_() % kPackPrograms.size()]);
  event->set_parent_executable_path(parent);
  event->set_parent_name(parent.substr(parent.rfind('/') + 1));
  event->set_parent_command_line(parent + " " + word() + " " + word());
  pb::ProcessRecord& process = *event->mutable_process();
  process.set_pid(static_cast<std::uint32_t>(1'000 + sequence_ % 4'000'000));
  process.set_ppid(1);
  process.set_name(path.substr(path.rfind('/') + 1));
  process.set_executable_path(path);
  process.add_command_line(process.name());
  for (std::size_t i = 0, count = 2 + random_() % 8; i < count; ++i) process.add_command_line(word());
  process.set_cwd("/home/alice/work/" + std::to_string(random_() % 1'000));
  process.set_user_id("1000");
  process.set_user_name("alice");
  return event;
}

}  // namespace de::bench
