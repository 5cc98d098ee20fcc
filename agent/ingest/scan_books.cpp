#include "ingest/scan_books.h"

#include <utility>

namespace de::ingest {
namespace {

std::uint64_t difference(std::uint64_t one, std::uint64_t other) { return one > other ? one - other : other - one; }

}  // namespace

ScanLosses& ScanLosses::operator+=(const ScanLosses& other) {
  collect += other.collect;
  uplink += other.uplink;
  ingest += other.ingest;
  store += other.store;
  mirror += other.mirror;
  return *this;
}

std::string ScanLosses::to_text() const {
  std::string text;
  const auto add = [&text](const char* stage, std::uint64_t records) {
    text += (text.empty() ? "" : ", ") + std::string(stage) + " " + std::to_string(records);
  };
  add("collect", collect);
  add("uplink", uplink);
  add("ingest", ingest);
  add("store", store);
  add("mirror", mirror);
  return text;
}

ScanLosses losses_of(const pb::ScanSummary& summary, const ScanBooks& books) {
  ScanLosses losses;
  // A collector that does not say what it listed has nothing to be held against.
  if (summary.seen() > 0)
    losses.collect = difference(summary.seen(), std::uint64_t{summary.reported()} + summary.vanished());
  losses.uplink = difference(summary.reported(), books.received);
  losses.ingest = difference(books.received, books.stored + books.rejected);
  losses.store = difference(books.stored, books.in_store);
  losses.mirror = difference(books.stored, books.in_mirror);
  return losses;
}

std::vector<pb::Reason> reasons_of(const std::string& collector, const pb::ScanSummary& summary,
                                   const ScanBooks& books) {
  std::vector<pb::Reason> reasons;
  const auto add = [&](std::uint64_t records, const char* reason, std::string detail) {
    if (records == 0) return;
    pb::Reason& out = reasons.emplace_back();
    out.set_reason(reason);
    out.set_collector(collector);
    out.set_detail(std::move(detail));
  };
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  const ScanLosses losses = losses_of(summary, books);
  add(losses.collect, "CollectionFailed",
      "of " + number(summary.seen()) + " processes " + number(losses.collect) + " were neither reported nor gone");
  add(losses.uplink, "SequenceGap",
      "the collector reported " + number(summary.reported()) + " processes, " + number(books.received) + " arrived");
  add(books.rejected, "IngestFailed", number(books.rejected) + " records could not be stored");
  add(losses.ingest + losses.store + losses.mirror, "IngestFailed",
      "records are missing behind a stage: " + losses.to_text());
  return reasons;
}

}  // namespace de::ingest
