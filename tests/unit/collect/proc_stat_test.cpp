#include "collect/linux/proc_stat.h"

#include <gtest/gtest.h>

namespace de::collect {
namespace {

std::string stat_line(std::string_view comm, std::string_view ppid = "41") {
  return "4242 (" + std::string(comm) + ") S " + std::string(ppid) +
         " 7 8 34817 -1 4194560 0 0 0 0 5 7 0 0 20 -5 3 0 987654 123456 250 18446744073709551615 4096 5000 140000 0 0 "
         "0 0 "
         "0 0 0 0 0 17 1 0 0 0 0 0 6000 7000 8000 9000 9123 9123 9999 0\n";
}

TEST(ProcStat, ReadsEveryColumn) {
  const std::string line = stat_line("bash");
  const Result<ProcStat> stat = parse_proc_stat(line);
  ASSERT_TRUE(stat) << stat.error().what();
  EXPECT_EQ(stat->comm, "bash");
  EXPECT_EQ(stat->pid, 4242u);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->ppid, 41u);
  EXPECT_EQ(stat->pgid, 7u);
  EXPECT_EQ(stat->session, 8u);
  EXPECT_EQ(stat->tty_nr, 34817);
  EXPECT_FALSE(stat->is_kernel_thread());
  EXPECT_EQ(stat->user_ticks, 5u);
  EXPECT_EQ(stat->system_ticks, 7u);
  EXPECT_EQ(stat->nice, -5);
  EXPECT_EQ(stat->threads, 3u);
  EXPECT_EQ(stat->start_ticks, 987654u);
  EXPECT_EQ(stat->virtual_bytes, 123456u);
  EXPECT_EQ(stat->rss_pages, 250);
  EXPECT_EQ(stat->start_code, 4096u);
  EXPECT_EQ(stat->start_stack, 140000u);
  EXPECT_EQ(stat->argument_bytes, 123u);
}

TEST(ProcStat, TheNameForgesNothing) {
  for (const std::string_view name : {"x) S 1 (y", ") R 1 (", "((((", "))))", "", " ", "a\nb", "4242 (bash) S 1"}) {
    const std::string line = stat_line(name);
    const Result<ProcStat> stat = parse_proc_stat(line);
    ASSERT_TRUE(stat) << name;
    EXPECT_EQ(stat->comm, name);
    EXPECT_EQ(stat->ppid, 41u) << name;
    EXPECT_EQ(stat->start_ticks, 987654u) << name;
  }
}

TEST(ProcStat, KernelThreadIsAFlagNotAName) {
  const Result<ProcStat> thread =
      parse_proc_stat("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0 0 0 0 0\n");
  ASSERT_TRUE(thread) << thread.error().what();
  EXPECT_TRUE(thread->is_kernel_thread());
  EXPECT_EQ(thread->argument_bytes, 0u) << "an old kernel's shorter line is fine";
  const std::string fake = stat_line("kworker/0:1");
  EXPECT_FALSE(parse_proc_stat(fake)->is_kernel_thread());
}

TEST(ProcStat, RejectsWhatNoKernelPrints) {
  struct Bad {
    const char* why;
    std::string line;
  };
  for (const Bad& bad :
       {Bad{"empty", ""}, Bad{"no name", "4242 bash S 1"}, Bad{"cut after state", "4242 (bash) S"},
        Bad{"ppid not a number", stat_line("bash", "4x")}, Bad{"ppid negative", stat_line("bash", "-1")},
        Bad{"ppid too large", stat_line("bash", "99999999999")}, Bad{"no pid", "(bash) S 1 1 1"},
        Bad{"closed before opened", ") 4242 (bash S 1"}, Bad{"state of two letters", "1 (a) SS 1 1"}}) {
    const Result<ProcStat> stat = parse_proc_stat(bad.line);
    ASSERT_FALSE(stat) << bad.why;
    EXPECT_EQ(stat.error().code(), Errc::Corrupt) << bad.why;
  }
}

TEST(TtyName, DecodesTheDeviceNumber) {
  struct Case {
    std::int32_t number;
    const char* name;
  };
  for (const Case& c :
       {Case{0, ""}, Case{34816, "pts/0"}, Case{34819, "pts/3"}, Case{(136 << 8) | (1 << 20), "pts/256"},
        Case{(4 << 8) | 1, "tty1"}, Case{(4 << 8) | 64, "ttyS0"}, Case{(5 << 8) | 1, "console"},
        Case{(229 << 8), "hvc0"}, Case{(204 << 8) | 65, "ttyAMA1"}, Case{(7 << 8) | 9, "7:9"}})
    EXPECT_EQ(tty_name(c.number), c.name) << c.number;
}

}  // namespace
}  // namespace de::collect
