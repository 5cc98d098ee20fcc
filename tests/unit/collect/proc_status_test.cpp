#include "collect/linux/proc_status.h"

#include <gtest/gtest.h>

namespace de::collect {
namespace {

constexpr std::string_view kStatus =
    "Name:\tsshd\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t77\nPid:\t77\nPPid:\t1\nUid:\t1000\t1001\t1002\t1003\n"
    "Gid:\t50\t51\t52\t53\nGroups:\t4 24 \nCapInh:\t0000000000000000\nCapEff:\t000001fffeffffff\n"
    "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";

TEST(ProcStatus, ReadsOwnersAndConfinement) {
  const Result<ProcStatus> status = parse_proc_status(kStatus);
  ASSERT_TRUE(status) << status.error().what();
  EXPECT_EQ(status->tgid, 77u);
  EXPECT_EQ(status->uid, 1000u);
  EXPECT_EQ(status->euid, 1001u);
  EXPECT_EQ(status->suid, 1002u);
  EXPECT_EQ(status->gid, 50u);
  EXPECT_EQ(status->egid, 51u);
  EXPECT_EQ(status->sgid, 52u);
  EXPECT_EQ(status->cap_effective, 0x1fffeffffffULL);
  EXPECT_EQ(status->no_new_privs, true);
  EXPECT_EQ(status->seccomp, 2u);
}

TEST(ProcStatus, WhatTheKernelDoesNotPrintIsAbsent) {
  const Result<ProcStatus> status = parse_proc_status("Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n");
  ASSERT_TRUE(status);
  EXPECT_FALSE(status->cap_effective);
  EXPECT_FALSE(status->no_new_privs);
  EXPECT_FALSE(status->seccomp);
}

TEST(ProcStatus, RejectsDamage) {
  for (const std::string_view text :
       {"", "Name:\tx\n", "Uid:\t0\t0\t0\t0\n", "Uid:\t0\t0\nGid:\t0\t0\t0\t0\n", "Uid:\tx\t0\t0\nGid:\t0\t0\t0\n",
        "Uid:\t0\t0\t0\nGid:\t0\t0\t0\nCapEff:\tzz\n", "Uid:\t0\t0\t0\nGid:\t0\t0\t0\nNoNewPrivs:\t2\n",
        "Uid:\t99999999999\t0\t0\nGid:\t0\t0\t0\n"}) {
    const Result<ProcStatus> status = parse_proc_status(text);
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().code(), Errc::Corrupt);
  }
}

TEST(ProcStatus, AnEscapedNameCannotForgeALine) {
  // The kernel prints a line break in a name as the two characters "\n".
  const Result<ProcStatus> status =
      parse_proc_status("Name:\tx\\nUid:\\t0\\t0\\t0\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\n");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->uid, 7u);
}

TEST(ProcIo, BothNumbersOrNothing) {
  const std::optional<ProcIo> io =
      parse_proc_io("rchar: 1\nwchar: 2\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n");
  ASSERT_TRUE(io);
  EXPECT_EQ(io->read_bytes, 4096u);
  EXPECT_EQ(io->write_bytes, 8192u);
  EXPECT_FALSE(parse_proc_io("read_bytes: 4096\n"));
  EXPECT_FALSE(parse_proc_io("read_bytes: -1\nwrite_bytes: 1\n"));
}

}  // namespace
}  // namespace de::collect
