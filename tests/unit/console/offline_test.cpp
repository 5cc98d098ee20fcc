#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemoneye/ledger/entry.h"
#include "run_fixture.h"

namespace de::console {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Offline : public Run {};

TEST_F(Offline, ConfigShow) {
  const Outcome yaml = run_with({"config", "show", "--origin"});
  EXPECT_EQ(yaml.code, ExitCode::Complete);
  EXPECT_THAT(yaml.out, HasSubstr("control_socket: \"" + socket_ + "\"  # flag: state_dir from command line\n"));
  const Outcome rows = run_with({"config", "show", "procmond", "--output", "csv"});
  EXPECT_THAT(rows.out, StartsWith("key,value,origin,place\r\n"));
  EXPECT_THAT(rows.out, HasSubstr("spool.max_mb,256,default,default\r\n"));
  const std::string bad = file("bad.yaml", "spool: {max_mbs: 1}\n");
  const Outcome broken = run_plain({"--config", bad.c_str(), "config", "show"});
  EXPECT_EQ(broken.code, ExitCode::Usage);
  EXPECT_THAT(broken.err, HasSubstr("bad.yaml:1:9: unknown key \"spool.max_mbs\" (did you mean \"spool.max_mb\"?)"));
}

// A ledger of `count` entries as procmond writes it.
std::string ledger_bytes(std::uint64_t count) {
  std::string bytes;
  ledger::Digest previous{};
  for (std::uint64_t i = 1; i <= count; ++i) {
    ledger::Entry entry;
    entry.sequence = i;
    entry.time_ms = 1767225600000 + static_cast<std::int64_t>(i);
    entry.actor = "procmond";
    entry.action = "start";
    entry.payload = "{\"n\":" + std::to_string(i) + "}";
    entry.previous_hash = previous;
    const auto encoded = ledger::encode(entry);
    EXPECT_TRUE(encoded);
    const auto size = static_cast<std::uint32_t>(encoded->size());
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>((size >> shift) & 255U);
    bytes += *encoded;
    previous = entry.entry_hash;
  }
  return bytes;
}

TEST_F(Offline, AuditVerifyOfAWholeLedger) {
  std::filesystem::create_directory(dir_ + "/ledger");
  file("ledger/ledger-00000001.log", ledger_bytes(3));
  const Outcome outcome = run_with({"audit", "verify", "--output", "jsonl"});
  EXPECT_EQ(outcome.code, ExitCode::Complete) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\"status\":\"whole\",\"entries\":3,\"first_sequence\":1,\"last_sequence\":3"));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(Offline, AuditVerifyOfATamperedLedger) {
  std::string bytes = ledger_bytes(3);
  bytes[bytes.find("{\"n\":2}") + 5] = '7';
  const std::string path = file("ledger-00000001.log", bytes);
  const Outcome outcome = run_with({"audit", "verify", path.c_str(), "--output", "jsonl"});
  EXPECT_EQ(outcome.code, ExitCode::VerificationFailed);
  EXPECT_THAT(outcome.out, HasSubstr("\"status\":\"broken\",\"entries\":1"));
  EXPECT_THAT(outcome.err, HasSubstr("VERIFICATION FAILED at entry 2"));
}

TEST_F(Offline, AuditVerifyOfATornLedger) {
  std::string bytes = ledger_bytes(2);
  bytes.resize(bytes.size() - 5);
  const std::string path = file("ledger-00000001.log", bytes);
  const Outcome outcome = run_with({"audit", "verify", path.c_str()});
  EXPECT_EQ(outcome.code, ExitCode::Complete);
  EXPECT_THAT(outcome.err, HasSubstr("interrupted"));
}

TEST_F(Offline, AuditTailShowsTheNewest) {
  const std::string path = file("ledger-00000001.log", ledger_bytes(5));
  const Outcome outcome = run_with({"audit", "tail", "2", "--path", path.c_str(), "--output", "csv"});
  EXPECT_EQ(outcome.code, ExitCode::Complete) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\r\n4,2026-01-01T00:00:00.004Z,procmond,start,\"{\"\"n\"\":4}\","));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\r\n3,")));
}

TEST_F(Offline, AuditWithoutALedger) {
  const Outcome outcome = run_with({"audit", "verify"});
  EXPECT_EQ(outcome.code, ExitCode::Failed);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr(dir_ + "/ledger"));
}

}  // namespace
}  // namespace de::console
