#include "uplink/request_table.h"

namespace de::uplink {
namespace {

constexpr auto kWaiting = static_cast<unsigned>(Phase::Waiting);
constexpr auto kMonitoring = static_cast<unsigned>(Phase::Monitoring);
constexpr auto kEither = kWaiting | kMonitoring;

// Acks and credits come once per batch, so their rate follows what we send; the rest is asked by people or timers.
constexpr RequestRule kTable[] = {
    {pb::Envelope::kAck, kEither, 20'000, &Session::on_ack},
    {pb::Envelope::kCredit, kEither, 20'000, &Session::on_credit},
    {pb::Envelope::kBegin, kWaiting, 1, &Session::on_begin},
    {pb::Envelope::kAdjustInterval, kMonitoring, 10, &Session::on_adjust},
    {pb::Envelope::kScanNow, kMonitoring, 10, &Session::on_scan_now},
    {pb::Envelope::kTask, kMonitoring, 100, &Session::on_task},
    {pb::Envelope::kRevokeTask, kMonitoring, 100, &Session::on_revoke},
    {pb::Envelope::kLedgerAppend, kEither, 2'000, &Session::on_ledger_append},
    {pb::Envelope::kHeartbeat, kEither, 10, &Session::on_heartbeat},
    {pb::Envelope::kAlive, kEither, 10, &Session::on_alive},
    {pb::Envelope::kGoodbye, kEither, 1, &Session::on_goodbye},
};

}  // namespace

std::span<const RequestRule> request_table() { return kTable; }

}  // namespace de::uplink
