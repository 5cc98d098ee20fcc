// Environments at exec, and what is left out first when the ring fills: real processes, a real ring.
#include "bpf_watch.h"
#include "collect/linux/bpf/event_layout.h"
#include "collect/redact.h"
#include "collect/shed.h"
#include "daemoneye/crypto/digest.h"
#include "own_source.h"

namespace de::collect {
namespace {

using test::Seen;
using Strings = std::vector<std::string>;

FeedOptions with_environment() {
  FeedOptions options;
  options.capture.environment = true;
  return options;
}

std::size_t bytes_of(const Strings& texts) {
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size() + 1;
  return bytes;
}

class BpfEnvironment : public test::BpfFeedTest {
 protected:
  const pb::ProcessRecord& record() const {
    const Seen* exec = find(KernelEventKind::Exec);
    static const pb::ProcessRecord kNone;
    EXPECT_TRUE(exec) << "no exec was seen";
    return exec != nullptr ? exec->record : kNone;
  }
  Strings environment() const { return {record().environment().begin(), record().environment().end()}; }
  // Nobody reads meanwhile.
  pid_t run_unseen(const Strings& arguments, const Strings& variables) {
    std::vector<char*> argv, environment;
    for (const std::string& text : arguments) argv.push_back(const_cast<char*>(text.data()));
    for (const std::string& text : variables) environment.push_back(const_cast<char*>(text.data()));
    argv.push_back(nullptr);
    environment.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execve("/bin/true", argv.data(), environment.data());
      ::_exit(99);
    }
    EXPECT_EQ(::waitpid(child, nullptr, 0), child);
    return child;
  }
  const Seen* seen_of(pid_t child, KernelEventKind kind) {
    pid = child;
    return find(kind);
  }
};

TEST_F(BpfEnvironment, IsWhatTheImageReceivedByteForByte) {
  OPEN_OR_SKIP(with_environment());
  const std::vector<Strings> cases = {
      {},
      {"A=1"},
      {"A=1", "EMPTY=", "ODD=two\nlines\x1b[31m \xff\xfe", "not a variable"},
      {"LONG=" + std::string(DE_CHUNK_BYTES - 6, 'a')},
      {"LONG=" + std::string(DE_CHUNK_BYTES - 5, 'b'), "NEXT=1"},
      {"LONG=" + std::string(100'000, 'c'), "AND=" + std::string(100'000, 'd'), "LAST=1"},
  };
  for (const Strings& wanted : cases) {
    seen.clear();
    run_program("/bin/true", {"true", "x"}, wanted);
    EXPECT_TRUE(environment() == wanted) << wanted.size() << " variables";
    EXPECT_EQ(record().environment_length(), bytes_of(wanted));
    EXPECT_TRUE(record().has_environment_length());
    EXPECT_FALSE(record().environment_cut());
    EXPECT_EQ(record().shed_size(), 0);
    EXPECT_EQ(arguments(), (Strings{"true", "x"}));
  }
}

TEST_F(BpfEnvironment, ComesBesideLongArguments) {
  OPEN_OR_SKIP(with_environment());
  const Strings wanted = {"true", std::string(100'000, 'x')};
  run_program("/bin/true", wanted, {"A=1", "B=" + std::string(50'000, 'y')});
  EXPECT_TRUE(arguments() == wanted);
  EXPECT_EQ(environment(), (Strings{"A=1", "B=" + std::string(50'000, 'y')}));
}

TEST_F(BpfEnvironment, IsNotThereUnlessAskedFor) {
  OPEN_OR_SKIP();
  run_program("/bin/true", {"true"}, {"A=1", "DB_PASSWORD=hunter2"});
  EXPECT_EQ(record().environment_size(), 0);
  EXPECT_FALSE(record().has_environment_length());
  EXPECT_FALSE(record().environment_cut());
  EXPECT_EQ(record().shed_size(), 0);
}

// The same in the record of a scan of the same process: masked by the same code, with the same length.
TEST_F(BpfEnvironment, IsMaskedAsScansMaskIt) {
  OPEN_OR_SKIP(with_environment());
  const Strings wanted = {"DB_PASSWORD=hunter2", "HOME=/root", "PROXY=https://user:geheim@proxy/", "EMPTY="};
  SourceOptions options;
  options.collect_environment = true;
  const auto source = test::real_source(options);
  Strings variables = wanted;
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);
  pid = ::fork();
  if (pid == 0) {
    ::execle("/bin/sleep", "sleep", "60", nullptr, envp.data());
    ::_exit(99);
  }
  for (int tries = 0; tries < 1'000 && find(KernelEventKind::Exec) == nullptr; ++tries) {
    drain();
    ::usleep(1'000);
  }
  const pb::ProcessRecord scanned = test::look(*source, static_cast<std::uint32_t>(pid));
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  Strings masked;
  for (const std::string& variable : wanted) masked.push_back(mask_environment(variable));
  EXPECT_EQ(environment(), masked);
  EXPECT_EQ(environment()[0], "DB_PASSWORD=[REDACTED]");
  EXPECT_EQ(environment()[2].find("geheim"), std::string::npos);
  EXPECT_EQ(Strings(scanned.environment().begin(), scanned.environment().end()), masked);
  EXPECT_EQ(record().environment_length(), bytes_of(wanted));
  EXPECT_EQ(scanned.environment_length(), bytes_of(wanted));
  EXPECT_FALSE(scanned.environment_cut());
}

TEST_F(BpfEnvironment, ACutIsExplicit) {
  OPEN_OR_SKIP(with_environment());
  const Strings wanted = {"A=" + std::string(100'000, 'a'), "B=" + std::string(100'000, 'b'),
                          "C=" + std::string(100'000, 'c')};
  run_program("/bin/true", {"true"}, wanted);
  EXPECT_TRUE(record().environment_cut());
  EXPECT_EQ(record().environment_length(), bytes_of(wanted));
  EXPECT_EQ(record().shed_size(), 0) << "it is too long, and nobody was under pressure";
  ASSERT_EQ(record().environment_size(), 3);
  EXPECT_EQ(record().environment(1), wanted[1]);
  EXPECT_EQ(record().environment(2), wanted[2].substr(0, DE_ENV_BYTES - 2 * 100'003));
}

TEST_F(BpfEnvironment, ExactlyTheLimitIsNoCut) {
  OPEN_OR_SKIP(with_environment());
  const Strings wanted = {"A=" + std::string(120'000, 'a'), "B=" + std::string(120'000, 'b'),
                          "C=" + std::string(DE_ENV_BYTES - 2 * 120'003 - 3, 'c')};
  ASSERT_EQ(bytes_of(wanted), static_cast<std::size_t>(DE_ENV_BYTES));
  run_program("/bin/true", {"true"}, wanted);
  EXPECT_TRUE(environment() == wanted);
  EXPECT_FALSE(record().environment_cut());
}

// Nobody reads the ring while it fills: environments go first, then the ends of arguments; that it happened is told
// of every process.
TEST_F(BpfEnvironment, IsLeftOutBeforeArgumentsAndNeverTheProcess) {
  FeedOptions options = with_environment();
  options.buffer_bytes = 4 << 20;  // What others run meanwhile is little of it.
  OPEN_OR_SKIP(options);
  const Strings argv = {"true", std::string(60'000, 'x')}, variables = {"A=" + std::string(20'000, 'y')};
  std::vector<pid_t> children;
  drain();
  for (int i = 0; i < 88; ++i) children.push_back(run_unseen(argv, variables));
  EXPECT_GT(feed->take_peak_fill(), 0.5);
  for (int tries = 0; tries < 500 && seen_of(children.back(), KernelEventKind::Exit) == nullptr; ++tries) {
    drain();
    ::usleep(1'000);
  }
  const FeedCounts counts = feed->counts();
  int stage = 0, at_stage[3] = {};
  std::uint64_t environments = 0, tails = 0;
  for (const pid_t child : children) {
    EXPECT_TRUE(seen_of(child, KernelEventKind::Fork) && seen_of(child, KernelEventKind::Exit));
    const Seen* exec = seen_of(child, KernelEventKind::Exec);
    ASSERT_TRUE(exec);
    const pb::ProcessRecord& told = exec->record;
    const bool no_environment = has_shed(pb::SHED_ENVIRONMENT, told), no_tail = has_shed(pb::SHED_ARGUMENTS, told);
    environments += no_environment;
    tails += no_tail;
    const int now = no_tail ? 2 : no_environment ? 1 : 0;
    EXPECT_TRUE(no_environment || !no_tail) << "arguments were left out before the environment";
    EXPECT_GE(now, stage);
    stage = now;
    ++at_stage[stage];
    EXPECT_EQ(told.environment_cut(), no_environment);
    EXPECT_EQ(told.environment_length(), bytes_of(variables));
    EXPECT_EQ(told.has_command_line_sha256(), no_tail);
    EXPECT_EQ(told.command_line_length(), bytes_of(argv));
    if (!no_environment) {
      EXPECT_EQ(told.environment(0), variables[0]);
    }
    if (!no_tail) {
      EXPECT_EQ(told.command_line(1), argv[1]);
    }
  }
  EXPECT_TRUE(at_stage[0] > 0 && at_stage[1] > 0 && at_stage[2] > 0)
      << at_stage[0] << " whole, " << at_stage[1] << " without environment, " << at_stage[2] << " cut";
  EXPECT_EQ(counts.dropped, 0U);
  EXPECT_GE(counts.environments_shed, environments);  // Others run programs, too.
  EXPECT_GE(counts.tails_shed, tails);
  // There is room again.
  seen.clear();
  run_program("/bin/true", argv, variables);
  EXPECT_TRUE(arguments() == argv && environment() == variables);
  EXPECT_EQ(record().shed_size(), 0);
}

TEST_F(BpfEnvironment, UserSpaceSaysWhatIsLeftOut) {
  OPEN_OR_SKIP(with_environment());
  const Strings argv = {"true", std::string(60'000, 'x')}, variables = {"A=1"};
  for (const Shedding level : {Shedding::Environment, Shedding::Hashes, Shedding::Arguments, Shedding::Nothing}) {
    feed->shed(level);
    seen.clear();
    run_program("/bin/true", argv, variables);
    const bool no_environment = level >= Shedding::Environment, no_tail = level >= Shedding::Arguments;
    EXPECT_EQ(environment(), no_environment ? Strings{} : variables) << to_text(level);
    EXPECT_EQ(record().environment_cut(), no_environment);
    EXPECT_EQ(record().environment_length(), 4U);
    EXPECT_EQ(has_shed(pb::SHED_ENVIRONMENT, record()), no_environment);
    EXPECT_EQ(has_shed(pb::SHED_ARGUMENTS, record()), no_tail);
    EXPECT_EQ(record().command_line_length(), bytes_of(argv));
    EXPECT_EQ(arguments()[1].size(), no_tail ? DE_ARGS_BYTES - 5U : 60'000U);
    if (no_tail) {
      const std::string received = "true" + std::string(1, '\0') + std::string(DE_ARGS_BYTES - 5, 'x');
      const crypto::Digest digest = crypto::sha256(received);
      EXPECT_EQ(record().command_line_sha256(), std::string(reinterpret_cast<const char*>(digest.data()), 32));
    }
  }
  feed->shed(Shedding::Arguments);
  seen.clear();
  run_program("/bin/true", {"true", "short"}, {});
  EXPECT_EQ(record().shed_size(), 0) << "what was whole is not called shed";
}

// An argument list that is larger than the ring leaves room for what happened.
TEST_F(BpfEnvironment, ALongTailLeavesRoomForTheProcess) {
  FeedOptions options = with_environment();
  options.buffer_bytes = 512 << 10;
  OPEN_OR_SKIP(options);
  Strings argv = {"true"};
  for (int i = 0; i < 8; ++i) argv.emplace_back(100'000, 'x');
  const pid_t child = run_unseen(argv, {"A=1"});
  for (int tries = 0; tries < 500 && seen_of(child, KernelEventKind::Exit) == nullptr; ++tries) {
    drain();
    ::usleep(1'000);
  }
  ASSERT_TRUE(seen_of(child, KernelEventKind::Fork) && seen_of(child, KernelEventKind::Exec) &&
              seen_of(child, KernelEventKind::Exit));
  EXPECT_EQ(record().command_line_length(), bytes_of(argv));
  EXPECT_TRUE(has_shed(pb::SHED_ARGUMENTS, record()) && has_shed(pb::SHED_ENVIRONMENT, record()));
  EXPECT_GT(arguments().size(), 1U) << "what there was room for; others fill the ring, too";
  EXPECT_EQ(feed->counts().dropped, 0U);
}

}  // namespace
}  // namespace de::collect
