// A whole session of a hostile collector: the input is a row of messages (u16 length little-endian, payload), each sent
// as a correct frame to a real CollectorSession, as fast as it comes. What the session hands on goes through the
// in-memory half of ingest: the columns, the mirror, and the split of a record that the store makes.
//
// Held to, beyond not crashing: the session ends exactly once and is counted; nothing is handed on that was not
// admitted and begun; what the registry keeps is short and printable; every record that is handed on can be put back
// together from the parts the store keeps; every record the mirror took is one row that SQL can read.
#include <google/protobuf/stubs/logging.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <cctype>
#include <string>

#include "bus/collector_session.h"
#include "daemoneye/frame/frame.h"
#include "daemoneye/schema/process_columns.h"
#include "mirror/mirror.h"
#include "mirror/session.h"
#include "store/metrics.h"

namespace {

using namespace de;

constexpr std::size_t kMaxMessages = 96;  // More than a collector has credits for.

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check_record(const pb::ProcessRecord& record) {
  for (const auto& column : schema::process_columns()) (void)column.read(record);
  store::RecordParts parts;
  std::string bytes;
  if (!record.SerializeToString(&bytes)) return;  // Invalid UTF-8 cannot get here: it did not parse.
  require(store::split_record(bytes, parts).has_value());
  pb::ProcessRecord again;
  require(again.ParseFromString(parts.identity + parts.image + parts.command + parts.owner));
  store::apply_metrics(store::metrics_of(record), again);
  again.set_collection_time_ms(record.collection_time_ms());
  require(again.SerializeAsString() == bytes);
}

// Every row is read through SQL as an operator would.
void check_mirror(const pb::SnapshotChunk& chunk) {
  static const auto mirror = std::move(*mirror::Mirror::create());
  static const auto session = std::move(*mirror::Session::create(mirror::Origin::AdHoc, system_clock()));
  if (!mirror->begin_scan(chunk.scan_id(), chunk.scan_time_ms())) return;
  for (const pb::ProcessRecord& record : chunk.processes())
    if (!mirror->upsert(record, record.SerializeAsString())) return;
  const auto image = mirror->finish_scan();
  require(image.has_value() && session->load(*image).has_value());
  std::uint64_t rows = 0;
  const auto outcome = session->run(
      "SELECT * FROM processes", {}, mirror::kAdHocBudget, [](auto) {},
      [&rows](auto) {
        ++rows;
        return true;
      });
  require(outcome.has_value() && rows == mirror->rows());
}

struct Agent {
  explicit Agent(bus::Admission admission) : registry(std::move(admission), system_clock()) {
    consumers.acked = [](const std::string&, const std::string&) { return std::uint64_t{5}; };
    consumers.publish = [this](std::string id, std::string, pb::Publish publish) {
      return take(std::move(id), std::move(publish));
    };
    consumers.publish_events = [this](std::string id, std::string, bus::EventBatches batches) {
      return take_events(std::move(id), std::move(batches));
    };
    consumers.arrived = [this](const std::string& id, const std::string&,
                               const std::shared_ptr<const pb::EventBatch>& events, std::size_t bytes) {
      require(id == admitted && begun && events != nullptr && bytes > 0);
    };
    consumers.ledger_appended = [this](const std::string& id, const pb::LedgerAppended&) { require(id == admitted); };
    consumers.task_result = [this](const std::string& id, const pb::DetectionResult& result) {
      require(id == admitted);
      for (const pb::ProcessRecord& record : result.processes()) check_record(record);
    };
    consumers.connected = [this](const std::string& id) { admitted = id; };
    consumers.ended = [this](const std::string&, const std::string&, bool) { ++endings; };
  }

  link::Task<std::uint64_t> take_events(std::string id, bus::EventBatches batches) {
    require(!admitted.empty() && id == admitted && begun);
    std::uint64_t last = 0;
    for (const auto& batch : batches) {
      for (const pb::ProcessEvent& event : batch->events()) {
        check_record(event.process());
        if (event.sequence() == 0) co_return fail(Errc::Invalid, "event without a sequence");
        last = event.sequence();
      }
    }
    co_return last;
  }

  link::Task<std::uint64_t> take(std::string id, pb::Publish publish) {
    require(!admitted.empty() && id == admitted && begun);
    for (const pb::ProcessRecord& record : publish.snapshot().processes()) check_record(record);
    if (publish.has_snapshot()) check_mirror(publish.snapshot());
    if (publish.body_case() == pb::Publish::BODY_NOT_SET) co_return fail(Errc::Corrupt, "nothing in it");
    co_return publish.gap().last_sequence();
  }

  bus::Registry registry;
  bus::Consumers consumers;
  std::string admitted;
  bool begun = false;
  int endings = 0;
};

// Each of 256 bytes may have become \xNN.
void check_text(const std::string& text) {
  require(text.size() <= 4 * 256);
  for (const char c : text) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

void check_kept(const bus::Registry& registry) {
  require(registry.collectors().size() <= 1);
  for (const auto& [id, collector] : registry.collectors()) {
    for (const char c : id)
      require(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' || c == '.');
    require(!id.empty() && id.size() <= 64 && collector.state == bus::CollectorState::Gone);
    for (const std::string* text : {&collector.type, &collector.version, &collector.hostname}) check_text(*text);
    require(collector.troubles.size() <= 32);
    for (const pb::Trouble& trouble : collector.troubles) {
      check_text(trouble.subject());
      check_text(trouble.detail());
    }
    require(collector.counters.size() <= 256);
  }
  (void)registry.reasons();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static auto* const noisy = google::protobuf::SetLogHandler(nullptr);  // Says every invalid byte.
  (void)noisy;
  boost::asio::io_context io{1};
  bus::Admission admission;
  admission.uids = {::geteuid()};
  Agent agent(std::move(admission));
  int ends[2];
  require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  auto connection = link::Connection::adopt(io.get_executor(), UniqueFd(ends[0]), bus::kBrokerLimits);
  UniqueFd raw(ends[1]);
  require(connection.has_value());
  auto session = std::make_shared<bus::CollectorSession>(io.get_executor(), std::move(*connection), agent.registry,
                                                         agent.consumers, system_clock());
  bool ended = false;
  boost::asio::co_spawn(io, session->run(), [&ended](const std::exception_ptr& thrown, const Result<>&) {
    require(!thrown);
    ended = true;
  });
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  for (std::size_t i = 0; i < kMaxMessages && rest.size() >= 2 && !ended; ++i) {
    const auto low = static_cast<unsigned char>(rest[0]);
    const auto high = static_cast<unsigned char>(rest[1]);
    const std::size_t bytes = std::min<std::size_t>(low + 256u * high, rest.size() - 2);
    const std::string_view payload = rest.substr(2, bytes);
    rest.remove_prefix(2 + bytes);
    std::array<std::byte, frame::kHeaderBytes> header;
    frame::write_header(header, payload);
    std::string framed(reinterpret_cast<const char*>(header.data()), header.size());
    framed += payload;
    if (::send(raw.get(), framed.data(), framed.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(framed.size())) break;
    io.poll();
    std::array<char, 4096> answer;
    while (::recv(raw.get(), answer.data(), answer.size(), 0) > 0) {
    }
    if (!agent.admitted.empty() && !agent.begun) {
      agent.begun = true;
      session->begin(1'000);
    }
  }
  raw.reset();
  io.restart();
  io.run();
  require(ended && agent.endings == 1);
  check_kept(agent.registry);
  return 0;
}
