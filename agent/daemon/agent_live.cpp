// What is read from processes the moment somebody asks: for queries, and for rules with AUTO JOIN.
#include <algorithm>

#include "daemon/agent.h"
#include "daemoneye/base/text.h"
#include "daemoneye/log/log.h"

namespace de::daemon {
namespace {

constexpr std::size_t kKeysPerTask = 64;
constexpr std::size_t kTasksAtOnce = 4;  // The collector lets eight wait.
constexpr std::size_t kMaxReads = 64;    // Of all that wait at one time.
constexpr auto kReadLook = std::chrono::milliseconds(2);
constexpr std::int64_t kRuleReadMs = 2'000;
constexpr int kRuleTurns = 3;

schema::Cell to_cell(const pb::Literal& value) {
  if (value.has_int_value()) return static_cast<std::int64_t>(value.int_value());
  if (value.has_float_value()) return value.float_value();
  if (value.has_string_value()) return value.string_value();
  return {};
}

// The pid is the first column.
void add_rows(const pb::DetectionResult& result, const std::string& table, std::span<const mirror::LiveKey> asked,
              mirror::LiveRows& out) {
  if (!result.success()) {
    out.failed[table] = escape_controls(result.error_message());
    return;
  }
  for (const mirror::LiveKey& key : asked) out.rows[key];
  if (!result.error_message().empty()) out.cut[table] = escape_controls(result.error_message());
  for (const pb::TableRow& row : result.rows()) {
    if (row.cells_size() == 0) continue;
    const auto found = out.rows.find({table, row.cells(0).int_value()});
    if (found == out.rows.end()) continue;  // Nobody asked for it.
    mirror::ForeignRow& cells = found->second.emplace_back();
    for (const pb::Literal& cell : row.cells()) cells.push_back(to_cell(cell));
  }
}

}  // namespace

// Of one table and so many processes as fit; `next` moves on.
std::string Agent::send_read(const std::vector<mirror::LiveKey>& keys, std::size_t& next) {
  std::string id = "live-" + std::to_string(++live_reads_made_);
  pb::Envelope message;
  message.mutable_task()->set_task_id(id);
  message.mutable_task()->set_task_type(pb::READ_LIVE);
  pb::LiveRead& read = *message.mutable_task()->mutable_live_read();
  read.set_table(keys[next].table);
  for (std::size_t count = 0; next < keys.size() && keys[next].table == read.table() && count < kKeysPerTask; ++count)
    read.add_keys()->set_int_value(keys[next++].pid);
  auto& answer = live_reads_[id];
  const auto session = sessions_.find(process_collector_);
  if (session == sessions_.end() || !session->second->send(message))
    answer.emplace().set_error_message("no collector of processes is connected");
  return id;
}

link::Task<Agent::ReadLive> Agent::read_live(std::vector<mirror::LiveKey> keys, std::int64_t limit_ms) {
  auto out = std::make_shared<mirror::LiveRows>();
  const std::int64_t until_ns = clock_.steady_ns() + limit_ms * 1'000'000;
  std::ranges::sort(keys);
  boost::asio::steady_timer look(io_);
  struct Open {
    std::string id;
    std::span<const mirror::LiveKey> keys;
  };
  std::vector<Open> open;
  std::size_t next = 0;
  for (;;) {
    const bool is_late = clock_.steady_ns() >= until_ns || stopping_;
    while (!is_late && next < keys.size() && open.size() < kTasksAtOnce && live_reads_.size() < kMaxReads) {
      const std::size_t first = next;
      std::string id = send_read(keys, next);
      open.push_back({std::move(id), std::span(keys).subspan(first, next - first)});
    }
    std::erase_if(open, [&](const Open& one) {
      const auto answer = live_reads_.find(one.id);
      if (!answer->second && !is_late) return false;
      if (!answer->second) answer->second.emplace().set_error_message("no answer in time");
      add_rows(*answer->second, one.keys.front().table, one.keys, *out);
      live_reads_.erase(answer);
      return true;
    });
    if (is_late && next < keys.size()) out->failed[keys[next].table] = "no answer in time";
    if (open.empty() && (is_late || next >= keys.size())) break;
    look.expires_after(kReadLook);
    boost::system::error_code ec;
    co_await look.async_wait(link::into(ec));
  }
  co_return ReadLive(std::move(out));
}

void Agent::take_live(const std::vector<ingest::LiveJob>& jobs) {
  if (jobs.empty()) return;
  const std::uint64_t before = live_jobs_.shed();
  for (const ingest::LiveJob& job : jobs) live_jobs_.add(job);
  if (live_jobs_.shed() > before) {
    pb::Reason reason;
    reason.set_reason("ResourceLimit");
    reason.set_subject("live");
    reason.set_detail("rules with AUTO JOIN come faster than processes can be read: " +
                      std::to_string(live_jobs_.shed()) + " times one was not asked");
    live_reasons_ = {reason};
  }
  live_wake_.cancel();
}

// Beside the detection of everything else, which does not wait for it.
link::Task<> Agent::live_loop() {
  while (!stopping_) {
    if (live_jobs_.is_empty()) {
      live_wake_.expires_after(std::chrono::hours(1));
      boost::system::error_code ec;
      co_await live_wake_.async_wait(link::into(ec));
      continue;
    }
    auto asked = co_await ask_live(live_jobs_.pop());
    if (!asked) log::error("alert", "alerts could not be stored", {log::field("reason", asked.error().message())});
  }
  co_return Result<>{};
}

link::Task<> Agent::ask_live(ingest::LiveJob job) {
  auto settled = co_await settle();  // It reads its events from the store.
  (void)settled;
  auto rows = std::make_shared<mirror::LiveRows>();
  std::vector<mirror::LiveKey> wanted;
  for (int turn = 0;; ++turn) {
    const pb::Completeness known = completeness();
    auto run = [this, &job, &rows, &known, &wanted, image = shown_, turn]() -> Result<ingest::Round> {
      return detector_->run_live(job, image, rows, turn == kRuleTurns, known, wanted);
    };
    auto round = co_await link::run_on(detect_, std::move(run));
    if (!round) co_return fail(std::move(round).error());
    if (wanted.empty()) {
      live_reasons_ = std::move(round->reasons);
      co_return co_await store_alerts(std::move(round->alerts));
    }
    std::vector<mirror::LiveKey> keys;
    keys.swap(wanted);
    auto read = co_await read_live(std::move(keys), kRuleReadMs);
    if (!read) co_return fail(std::move(read).error());
    auto more = std::make_shared<mirror::LiveRows>(**read);
    more->rows.insert(rows->rows.begin(), rows->rows.end());
    more->cut.insert(rows->cut.begin(), rows->cut.end());
    rows = std::move(more);
  }
}

}  // namespace de::daemon
