#include "truth.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "daemoneye/base/text.h"
#include "daemoneye/crypto/digest.h"

namespace de::load {
namespace {

constexpr std::size_t kBufferBytes = 1U << 20;

}  // namespace

std::uint64_t boot_ns() {
  struct timespec now {};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(now.tv_nsec);
}

bool is_as_expected(const Row& row) {
  if (row.pid == 0) return row.error != 0 && row.error == row.expect_error;
  if (row.status == kNoStatus || row.expect_error != 0) return false;
  if (row.expect_signal != 0) return WIFSIGNALED(row.status) && WTERMSIG(row.status) == row.expect_signal;
  return WIFEXITED(row.status) && WEXITSTATUS(row.status) == row.expect_code;
}

std::string member(std::string_view name, std::string_view text) {
  std::string out = ",\"" + std::string(name) + "\":";
  append_json_string(out, text);
  return out;
}

std::string member(std::string_view name, std::uint64_t number) {
  return ",\"" + std::string(name) + "\":" + std::to_string(number);
}

Truth::Truth(UniqueFd file) : file_(std::move(file)) {
  std::array<std::uint8_t, 4> random{};
  crypto::random_bytes(random);
  run_ = to_hex({reinterpret_cast<const char*>(random.data()), random.size()});
  buffer_.reserve(kBufferBytes + 65'536);
}

Result<Truth> Truth::create(const std::string& path, std::string_view mode, const std::string& about) {
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file) return fail(Errc::Io, "open " + path, last_os_error());
  Truth truth(std::move(file));
  truth.write("{\"kind\":\"run\"" + member("mode", mode) + member("run", truth.run_) +
              member("pid", static_cast<std::uint64_t>(::getpid())) + member("boot_ns", boot_ns()) + about + "}\n");
  return truth;
}

void Truth::add(const Row& row) {
  ++totals_.rows;
  if (row.pid == 0) {
    ++totals_.refused;
  } else {
    ++totals_.started;
    if (row.status == kNoStatus) ++totals_.unawaited;
  }
  const bool as_expected = is_as_expected(row);
  if (as_expected) ++totals_.as_expected;

  std::string line = "{\"kind\":\"process\"" + member("id", row.id) + member("creator", row.creator) +
                     member("pid", static_cast<std::uint64_t>(row.pid)) +
                     member("ppid", static_cast<std::uint64_t>(row.ppid)) + member("uid", row.uid);
  if (!row.nonce.empty()) line += member("nonce", row.nonce);
  if (!row.label.empty()) line += member("label", row.label);
  if (!row.exe.empty()) line += member("exe", row.exe);
  line += member("execs", static_cast<std::uint64_t>(row.execs)) + member("forked_after_ns", row.forked_after_ns) +
          member("forked_before_ns", row.forked_before_ns) + member("reaped_ns", row.reaped_ns);
  if (row.expect_error != 0) {
    line += member("expect_error", static_cast<std::uint64_t>(row.expect_error));
  } else if (row.expect_signal != 0) {
    line += member("expect_signal", static_cast<std::uint64_t>(row.expect_signal));
  } else {
    line += member("expect_code", static_cast<std::uint64_t>(row.expect_code));
  }
  line += row.status == kNoStatus ? ",\"status\":null" : member("status", static_cast<std::uint64_t>(row.status));
  if (row.error != 0) {
    line += member("errno", static_cast<std::uint64_t>(row.error)) + member("error", std::strerror(row.error));
  }
  line += row.more + member("as_expected", as_expected ? 1 : 0) + "}\n";
  write(line);
}

void Truth::skip(std::uint64_t id, std::string_view label, std::string_view reason) {
  ++totals_.skipped;
  write("{\"kind\":\"skipped\"" + member("id", id) + member("label", label) + member("reason", reason) + "}\n");
}

Result<Totals> Truth::finish() {
  write("{\"kind\":\"end\"" + member("boot_ns", boot_ns()) + member("rows", totals_.rows) +
        member("started", totals_.started) + member("refused", totals_.refused) +
        member("as_expected", totals_.as_expected) + member("unawaited", totals_.unawaited) +
        member("skipped", totals_.skipped) + "}\n");
  flush();
  if (failed_) return fail(Errc::Io, "the truth file is not whole");
  return totals_;
}

void Truth::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBufferBytes) flush();
}

void Truth::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && !failed_) {
    const ssize_t wrote = ::write(file_.get(), rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      failed_ = true;
    } else {
      rest.remove_prefix(static_cast<std::size_t>(wrote));
    }
  }
  buffer_.clear();
}

}  // namespace de::load
