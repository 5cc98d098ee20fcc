// Executions with every kind of argument list that the kernel takes, and one that it refuses. The truth is what the
// executed program found in its memory.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "modes.h"
#include "received.h"
#include "start.h"

namespace de::load {
namespace {

constexpr std::size_t kLongest = 131'071;  // Of one argument, without its NUL: 32 pages.

struct Case {
  std::string label;
  std::vector<std::string> argv;
  int expect_error = 0;
};

std::string every_byte() {
  std::string out;
  for (int byte = 1; byte < 256; ++byte) out += static_cast<char>(byte);
  return out;
}

// Arguments that fill `bytes` with their NULs and the pointers to them, which the kernel counts, too.
std::vector<std::string> filling(const std::string& program, std::size_t bytes) {
  std::vector<std::string> out{program};
  std::size_t used = program.size() + 1 + 2 * sizeof(char*);
  while (used + sizeof(char*) + 1 < bytes) {
    const std::size_t size = std::min(kLongest, bytes - used - sizeof(char*) - 1);
    out.emplace_back(size, static_cast<char>('a' + out.size() % 26));
    used += size + 1 + sizeof(char*);
  }
  return out;
}

// What the kernel allows for arguments and environment: a quarter of the stack's limit, between 128 KiB and 6 MiB.
std::size_t most_bytes() {
  struct rlimit stack {};
  ::getrlimit(RLIMIT_STACK, &stack);
  return std::clamp<std::size_t>(stack.rlim_cur / 4, 131'072, 6'291'456);
}

std::vector<Case> cases(const std::string& child) {
  std::vector<Case> out = {
      {"no arguments", {}},
      {"one empty", {""}},
      {"all empty", {"", "", "", ""}},
      {"empty between", {child, "", "a", "", "", "b", ""}},
      {"newlines", {child, "a\nb", "\n", "\r\n"}},
      {"escapes",
       {child, "\x1b[2J\x1b]0;title\a", "\x1b",
        "\x9b"
        "31m"}},
      {"invalid UTF-8", {child, "\xff\xfe", "\xc3\x28", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80"}},
      {"valid UTF-8",
       {child, "gr\xc3\xbc\xc3\x9f",
        "\xe2\x80\xae"
        "txt.exe",
        "\xf0\x9f\x98\x80"}},
      {"every byte", {child, every_byte()}},
      {"quotes", {child, "a b", "'", "\"", "\\", "\\n", "$(x)", "`x`", "a,b", "{\"a\":1}"}},
      {"kernel thread's name", {"[kworker/0:1-events]"}},
      {"option-like", {"-", "--", "--help", "-x=1"}},
  };
  constexpr std::size_t kSizes[] = {1,    2,    15,   16,   63,     64,     127,    128,    255,     256,
                                    4094, 4095, 4096, 4097, 16'383, 16'384, 65'535, 65'536, 131'070, 131'071};
  for (const std::size_t size : kSizes) {
    out.push_back({std::to_string(size) + " bytes in one", {child, std::string(size, 'x')}});
  }
  for (const std::size_t count : {2U, 19U, 20U, 21U, 255U, 256U, 1'000U, 10'000U, 50'000U}) {
    std::vector<std::string> many{child};
    for (std::size_t i = 1; i < count; ++i) many.push_back(std::to_string(i));
    out.push_back({std::to_string(count) + " arguments", std::move(many)});
  }
  std::vector<std::string> many(150'000, "y");
  many[0] = child;
  out.push_back({"150000 short arguments", std::move(many)});
  // The path, and the environment that tells the child what to do, take their part of the limit.
  const std::size_t most = most_bytes() - 4096;
  for (const std::size_t part : {8U, 4U, 2U, 1U}) {
    out.push_back({"1/" + std::to_string(part) + " of the limit", filling(child, most / part)});
  }
  out.push_back({"one byte too long in one", {child, std::string(kLongest + 1, 'x')}, E2BIG});
  out.push_back({"more than the limit", filling(child, most_bytes() + 65'536), E2BIG});
  return out;
}

std::string joined(const std::vector<std::string>& argv) {
  std::string out;
  for (const std::string& argument : argv) out.append(argument.c_str(), argument.size() + 1);
  return out;
}

}  // namespace

Result<> argv(const Where& where, Truth& truth) {
  std::uint64_t id = 0;
  for (Case& one : cases(where.child)) {
    const int code = static_cast<int>(++id % 100);
    std::vector<std::string> environment{"L=" + numbers(code, 0, 0, kReportFd)};
    const Strings arguments(one.argv), variables(environment);
    Pipe pipe;
    Life life = spawn(where.child, arguments.data(), variables.data(), pipe.write_end.get());
    pipe.write_end.reset();
    const std::optional<Report> report = read_report(pipe.read_end.get());
    wait_for(life);

    Row row;
    row.id = id;
    row.label = one.label;
    row.exe = where.child;
    row.expect_code = code;
    row.expect_error = one.expect_error;
    copy_life(life, row);
    row.more = member("given_bytes", joined(one.argv).size());
    if (report) row.more += received(*report);
    // Nobody changes what is given here, so what is received can be told beforehand. An empty list becomes one empty
    // argument since Linux 5.18.
    const bool same = report && (report->argv == joined(one.argv) || (one.argv.empty() && report->argv.size() <= 1));
    if (one.expect_error == 0 && !same) return fail(Errc::Corrupt, one.label + ": the child received something else");
    truth.add(row);
  }
  return {};
}

}  // namespace de::load
