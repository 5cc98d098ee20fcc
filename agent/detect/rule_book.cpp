#include "detect/rule_book.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include "daemoneye/base/text.h"
#include "daemoneye/schema/table.h"
#include "detect/rule_files.h"
#include "detect/runner.h"

namespace de::detect {
namespace {

// File times are coarse (a kernel tick, a second on some file systems): a file looked at so soon after its last change
// may change again without a trace in its stamp, and is read once more the next time.
constexpr std::int64_t kUnsettledNs = 2'000'000'000;

// What a file gave the last time it was read.
struct FileState {
  FileStamp stamp;
  bool unsettled = true;
  std::size_t content = 0;  // Hash of the text last read.
  std::vector<std::shared_ptr<const Rule>> rules;
  std::vector<std::string> warnings;
  std::optional<std::string> error;
};

}  // namespace

const Rule* RuleSet::find(std::string_view id) const {
  const auto found = std::find_if(rules.begin(), rules.end(), [&](const auto& rule) { return rule->id == id; });
  return found == rules.end() ? nullptr : found->get();
}

class RuleBook::Impl {
 public:
  Impl(std::vector<std::string> directories, const Clock& clock, CheckSessions sessions, RuleSwitches given)
      : switches(std::move(given)),
        directories_(std::move(directories)),
        clock_(clock),
        sessions_(std::move(sessions)) {}

  Result<bool> reload();
  Result<bool> set_tables(std::shared_ptr<const mirror::ForeignTables> tables);
  void publish();
  RuleSwitches switches;
  std::shared_ptr<const RuleSet> set = std::make_shared<const RuleSet>();

 private:
  using Files = std::map<std::string, FileState>;

  // Looks at one directory; whether something in it changed.
  Result<bool> scan(const std::string& directory);
  Result<bool> refresh(const FoundFile& found, FileState& state);
  // Errors other than Invalid, TooLarge and the file's own mean that the session is broken.
  Result<> take_over(const std::string& path, const std::string& text, FileState& state);
  Result<std::string> find_failed_test(const Rule& rule) const;
  void add(const std::shared_ptr<const Rule>& rule, RuleSet& next) const;

  const std::vector<std::string> directories_;
  const Clock& clock_;
  CheckSessions sessions_;
  std::map<std::string, Files> files_;  // By directory.
  std::map<std::string, std::string> directory_errors_;
  std::uint64_t generation_ = 0;
  std::uint64_t tables_generation_ = 0;
};

// Where and why, or nothing. A rule that fails its own test would not find what it is there for.
Result<std::string> RuleBook::Impl::find_failed_test(const Rule& rule) const {
  if (!rule.unready.empty()) return std::string();
  DE_TRY(report, test_rule(rule, clock_, sessions_.snapshot->image()->foreign));
  if (report.failures.empty()) return std::string();
  const TestFailure& first = report.failures.front();
  return escape_controls(rule.place.file) + ":" + std::to_string(first.line) + ":1: rule " + rule.id + ": its test " +
         escape_controls(first.test) + " fails: " + first.message;
}

Result<> RuleBook::Impl::take_over(const std::string& path, const std::string& text, FileState& state) {
  auto parsed = parse_rule_text(path, text);
  if (!parsed) {
    state.error = parsed.error().message();
    return {};
  }
  std::vector<std::shared_ptr<const Rule>> rules;
  std::vector<std::string> warnings;
  for (Rule& rule : *parsed) {
    auto checked = check_rule(sessions_, rule);
    if (!checked && checked.error().code() == Errc::Io) return fail(std::move(checked).error());
    if (!checked) {
      state.error = checked.error().message();
      return {};
    }
    auto failed = find_failed_test(rule);
    if (!failed) return fail(std::move(failed).error());
    if (!failed->empty()) {
      state.error = std::move(*failed);
      return {};
    }
    if (const auto explained = sessions_.snapshot->explain(rule.statement()))
      for (const std::string& warning : explained->warnings) warnings.push_back("rule " + rule.id + ": " + warning);
    rules.push_back(std::make_shared<const Rule>(std::move(rule)));
  }
  state.rules = std::move(rules);
  state.warnings = std::move(warnings);
  state.error.reset();
  return {};
}

Result<bool> RuleBook::Impl::refresh(const FoundFile& found, FileState& state) {
  const bool same = state.stamp == found.stamp;
  if (same && !state.unsettled) return false;
  const std::int64_t now_ns = clock_.unix_ms() * 1'000'000;
  state.stamp = found.stamp;
  state.unsettled = now_ns - std::max(found.stamp.modified_ns, found.stamp.changed_ns) < kUnsettledNs;
  auto text = read_rule_file(found.path);
  if (!text) {
    const std::string message = text.error().message();
    const bool news = state.error != message;
    state.error = message;
    state.content = 0;
    return news;
  }
  const std::size_t content = std::hash<std::string>{}(*text);
  if (content == state.content) return false;
  DE_CHECK(take_over(found.path, *text, state));
  state.content = content;
  return true;
}

Result<bool> RuleBook::Impl::scan(const std::string& directory) {
  auto found = list_rule_files(directory);
  if (!found) {
    // What is in force stays: a directory that cannot be read is no order to stop detecting.
    std::string message = found.error().message();
    const bool news = directory_errors_[directory] != message;
    directory_errors_[directory] = std::move(message);
    return news;
  }
  bool changed = directory_errors_.erase(directory) > 0;
  Files& files = files_[directory];
  std::set<std::string> present;
  for (const FoundFile& file : *found) {
    present.insert(file.path);
    changed = !files.contains(file.path) || changed;
    DE_TRY(news, refresh(file, files[file.path]));
    changed = news || changed;
  }
  const auto gone = std::erase_if(files, [&](const auto& entry) { return !present.contains(entry.first); });
  return changed || gone > 0;
}

void RuleBook::Impl::add(const std::shared_ptr<const Rule>& rule, RuleSet& next) const {
  const auto position = switches.find(rule->id);
  if (position != switches.end() && position->second == RuleSwitch::Deleted) {
    next.deleted.push_back(rule->id);
    return;
  }
  const bool enabled = position == switches.end() ? rule->enabled : position->second == RuleSwitch::On;
  if (enabled == rule->enabled) {
    next.rules.push_back(rule);
    return;
  }
  auto copy = std::make_shared<Rule>(*rule);
  copy->enabled = enabled;
  copy->switched = true;
  copy->digest += enabled ? "+on" : "+off";
  next.rules.push_back(std::move(copy));
}

void RuleBook::Impl::publish() {
  auto next = std::make_shared<RuleSet>();
  std::map<std::string, std::string, std::less<>> owners;
  for (const auto& [directory, message] : directory_errors_) next->errors.push_back({directory, message, true});
  for (const std::string& directory : directories_) {
    for (const auto& [path, state] : files_[directory]) {
      if (state.error) next->errors.push_back({path, *state.error, !state.rules.empty()});
      for (const auto& rule : state.rules) {
        const std::string place = path + ":" + std::to_string(rule->place.line) + ":1: ";
        if (next->rules.size() == kMaxRules) {
          next->errors.push_back({path, place + "more than " + std::to_string(kMaxRules) + " rules", false});
          break;
        }
        const auto [owner, fresh] = owners.emplace(rule->id, path);
        if (fresh)
          add(rule, *next);
        else
          next->errors.push_back({path, place + "rule " + rule->id + " is already in " + owner->second, false});
      }
      next->warnings.insert(next->warnings.end(), state.warnings.begin(), state.warnings.end());
    }
  }
  settle_traces(*next);
  std::sort(next->rules.begin(), next->rules.end(), [](const auto& a, const auto& b) {
    return a->priority != b->priority ? a->priority < b->priority : a->id < b->id;
  });
  next->generation = ++generation_;
  set = std::move(next);
}

Result<bool> RuleBook::Impl::reload() {
  bool changed = generation_ == 0;
  for (const std::string& directory : directories_) {
    auto scanned = scan(directory);
    if (!scanned) return fail(std::move(scanned).error().during("reload rules"));
    changed = *scanned || changed;
  }
  if (changed) publish();
  return changed;
}

Result<bool> RuleBook::Impl::set_tables(std::shared_ptr<const mirror::ForeignTables> tables) {
  const std::uint64_t generation = tables ? tables->generation : 0;
  DE_CHECK(sessions_.set_tables(std::move(tables)));
  if (std::exchange(tables_generation_, generation) == generation) return false;
  const auto depends = [](const auto& rule) {
    return !rule->unready.empty() || std::ranges::any_of(rule->tables, [](const std::string& name) {
      return schema::find_table(name) == nullptr;
    });
  };
  bool any = false;
  for (auto& [directory, files] : files_)
    for (auto& [path, state] : files) {
      if (!state.error && std::ranges::none_of(state.rules, depends)) continue;
      state.content = 0;
      state.unsettled = true;
      any = true;
    }
  return any ? reload() : false;
}

RuleBook::RuleBook(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RuleBook::~RuleBook() = default;

Result<std::unique_ptr<RuleBook>> RuleBook::open(std::vector<std::string> directories, const Clock& clock,
                                                 RuleSwitches switches) {
  DE_TRY(sessions, CheckSessions::create(clock));
  auto impl = std::make_unique<Impl>(std::move(directories), clock, std::move(sessions), std::move(switches));
  DE_CHECK(impl->reload());
  return std::unique_ptr<RuleBook>(new RuleBook(std::move(impl)));
}

Result<bool> RuleBook::reload() { return impl_->reload(); }
Result<bool> RuleBook::set_tables(std::shared_ptr<const mirror::ForeignTables> tables) {
  return impl_->set_tables(std::move(tables));
}
const RuleSwitches& RuleBook::switches() const { return impl_->switches; }
void RuleBook::set_switches(RuleSwitches switches) {
  impl_->switches = std::move(switches);
  impl_->publish();
}
std::shared_ptr<const RuleSet> RuleBook::snapshot() const { return impl_->set; }

}  // namespace de::detect
