#include "health_report.h"

#include <cstdlib>
#include <sstream>

namespace de::system_test {

namespace {

// The value of a text member in one line of JSON; enough for what these tests put there.
std::string member(const std::string& line, const std::string& name) {
  const std::string key = "\"" + name + "\":\"";
  const std::size_t at = line.find(key);
  if (at == line.npos) return {};
  std::string out;
  for (std::size_t i = at + key.size(); i < line.size() && line[i] != '"'; ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) ++i;
    out += line[i];
  }
  return out;
}

std::string tail(const std::string& text) {
  constexpr std::size_t kMost = 6'000;
  return text.size() <= kMost ? text : "..." + text.substr(text.size() - kMost);
}

}  // namespace

std::size_t count_lines(const std::string& text, const std::string& part) {
  std::istringstream in(text);
  std::string line;
  std::size_t found = 0;
  while (std::getline(in, line)) found += contains(line, part) ? 1U : 0U;
  return found;
}

std::string HealthReport::detail(const std::string& component) const {
  const auto found = lines.find(component);
  return found == lines.end() ? "" : found->second.detail;
}

std::string HealthReport::status(const std::string& component) const {
  const auto found = lines.find(component);
  return found == lines.end() ? "" : found->second.status;
}

std::optional<std::uint64_t> HealthReport::number(const std::string& component, const std::string& word) const {
  std::string words = detail(component);
  for (char& c : words)
    if (c == ',' || c == ';') c = ' ';
  std::istringstream in(words);
  std::string before, here;
  while (in >> here) {
    if (here == word && !before.empty() && before.find_first_not_of("0123456789") == before.npos)
      return std::stoull(before);
    before = here;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> HealthReport::lost_events() const {
  const std::string words = "lost in gaps ", text_of_line = detail("ingest.events");
  const std::size_t at = text_of_line.find(words);
  if (at == text_of_line.npos) return std::nullopt;
  return std::strtoull(text_of_line.c_str() + at + words.size(), nullptr, 10);
}

bool is_exact(const HealthReport& health) {
  const auto events = health.number("store", "events"), lost = health.lost_events();
  return events && lost && *events + *lost == health.counter("acknowledged");
}

std::uint64_t HealthReport::counter(const std::string& name) const {
  return std::strtoull(detail("collector.procmond." + name).c_str(), nullptr, 10);
}

HealthReport read_health(Host& host) {
  const Ran ran = host.cli({"--output", "jsonl", "health"});
  HealthReport report;
  report.exit_code = ran.exit_code;
  report.text = ran.out + ran.err;
  std::istringstream in(ran.out);
  std::string line;
  while (std::getline(in, line))
    report.lines.insert({member(line, "component"), {member(line, "status"), member(line, "detail")}});
  return report;
}

bool is_running_steadily(Host& host) {
  const HealthReport report = read_health(host);
  const std::string collector = report.detail("collector.procmond");
  return report.detail("agent") == "SteadyState" && collector.starts_with("connected") &&
         contains(collector, "pid " + std::to_string(host.procmond.pid()) + ",");
}

std::vector<std::vector<std::string>> read_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  std::istringstream in(text);
  std::string line;
  while (std::getline(in, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    std::vector<std::string>& row = rows.emplace_back();
    std::istringstream cells(line);
    std::string cell;
    while (std::getline(cells, cell, ',')) row.push_back(cell);
  }
  return rows;
}

std::string logs_of(const Host& host) {
  return "\n--- agent ---\n" + tail(host.log("agent")) + "\n--- procmond ---\n" + tail(host.log("procmond"));
}

std::string rule_for_demos(const Host& host, const std::string& id) {
  return "id: " + id +
         "\nname: Demo\nseverity: high\ndedup: {keys: [process_uid], seconds: 86400}\nsql: |\n"
         "  SELECT pid, process_uid, name FROM processes WHERE executable_path LIKE '" +
         host.demo_dir() + "/%'\n";
}

std::vector<std::string> alerted_names(Host& host, const std::string& rule) {
  const Ran ran = host.cli({"--output", "jsonl", "alerts", "list", "--limit", "10000", "--rule", rule});
  std::vector<std::string> names;
  std::istringstream in(ran.out);
  std::string line;
  while (std::getline(in, line)) {
    // "Demo: NAME (pid 17)"
    const std::string title = member(line, "title");
    const std::size_t colon = title.find(": "), end = title.rfind(" (pid ");
    if (colon != title.npos && end != title.npos && end > colon)
      names.push_back(title.substr(colon + 2, end - colon - 2));
  }
  return names;
}

}  // namespace de::system_test
