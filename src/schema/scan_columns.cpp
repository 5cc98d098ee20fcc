#include "daemoneye/schema/scan_columns.h"

namespace de::schema {
namespace {

using S = ScanRow;
using enum SqlType;

Cell counted(std::uint64_t value) { return static_cast<std::int64_t>(value); }
Cell scan_id(const S& s) { return counted(s.scan_id); }
Cell scan_time(const S& s) { return s.time_ms; }
Cell scan_collector(const S& s) { return std::string_view(s.collector); }

// clang-format off
constexpr Column<S> kScanColumns[] = {
    // name, type, unit, change, index, help, getter
    {"scan_id", Integer, Unit::None, Change::Static, Index::Yes, "Number the collector gave the scan; begins again with it", scan_id},
    {"collection_time_ms", Integer, Unit::UnixMs, Change::Static, Index::Yes, "When the scan was taken", scan_time},
    {"collector", Text, Unit::None, Change::Static, Index::No, "The collector that took it", scan_collector},
    {"process_count", Integer, Unit::None, Change::Static, Index::No, "Processes stored with it", [](const S& s) -> Cell { return counted(s.rows); }},
    {"seen", Integer, Unit::None, Change::Static, Index::No, "Processes counted while it was taken", [](const S& s) -> Cell { return counted(s.summary.seen()); }},
    {"reported", Integer, Unit::None, Change::Static, Index::No, "Processes that were reported", [](const S& s) -> Cell { return counted(s.summary.reported()); }},
    {"unreadable", Integer, Unit::None, Change::Static, Index::No, "Processes the system refused to let us look at", [](const S& s) -> Cell { return counted(s.summary.unreadable()); }},
    {"vanished", Integer, Unit::None, Change::Static, Index::No, "Processes that ended while they were looked at", [](const S& s) -> Cell { return counted(s.summary.vanished()); }},
    {"hash_pending", Integer, Unit::None, Change::Static, Index::No, "Executables whose hash was not known yet", [](const S& s) -> Cell { return counted(s.summary.hash_pending()); }},
    {"duration_us", Integer, Unit::None, Change::Static, Index::No, "How long it took, in microseconds", [](const S& s) -> Cell { return counted(s.summary.duration_us()); }},
};

constexpr Column<S> kPlace[] = {
    {"scan_id", Integer, Unit::None, Change::Static, Index::Yes, "The scan this row comes from", scan_id},
    {"collection_time_ms", Integer, Unit::UnixMs, Change::Static, Index::Yes, "When the scan was taken", scan_time},
    {"collection_time", Integer, Unit::UnixMs, Change::Static, Index::No, "The same as collection_time_ms", scan_time},
    {"collector", Text, Unit::None, Change::Static, Index::No, "The collector that took the scan", scan_collector},
};
// clang-format on

}  // namespace

std::span<const Column<ScanRow>> scan_columns() { return kScanColumns; }
std::span<const Column<ScanRow>> scan_place_columns() { return kPlace; }

}  // namespace de::schema
