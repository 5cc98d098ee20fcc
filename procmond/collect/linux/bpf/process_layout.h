// What processes.bpf.c writes, one record per process, and process_iterator.cpp reads. See event_layout.h, whose struct
// de_task and limits it shares.
#pragma once

#include "event_layout.h"

#define DE_MAX_THREADS 512   // Times of further threads are not summed up: DE_TIMES_CUT.
#define DE_MAX_FD_WORDS 256  // 16,384 descriptors; more are not counted: DE_FDS_CUT.

// Of de_task, beside de_flags.
enum de_process_flags {
  DE_CWD_UNLINKED = 1 << 10,
  DE_OWN_ROOT = 1 << 11,  // Its root directory is ours.
  DE_HAS_MEMORY = 1 << 12,
};
// What a pass is to tell beside the rest.
enum de_process_wanted {
  DE_WANT_FDS = 1,
  DE_WANT_IO = 2,
};
// Of one pass only, with DE_PATH_CUT and DE_CWD_CUT.
enum de_pass_flags {
  DE_TIMES_CUT = 1,
  DE_FDS_CUT = 2,
  DE_ROOT_CUT = 4,
  DE_HAS_TEXTS = 32,
};

// Changes seldom: two of them that are equal bytes describe a process to which nothing has happened but time.
struct de_steady {
  struct de_task task;
  __u64 cap_effective;
  __u64 exe_inode;
  __s64 exe_size;
  __s64 exe_mtime_ns;
  __s64 exe_ctime_ns;
  // Where the arguments are, as the process may have moved them.
  __u64 arg_start;
  __u64 arg_end;
  // Addresses in the kernel: never shown, only compared.
  __u64 cwd_dentry;
  __u64 cwd_mount;
  __u64 root_dentry;
  __u64 root_mount;
  __u64 cgroup_set;
  __u32 exe_dev;
  __u32 exe_mode;
  __u32 exe_uid;
  __u32 exe_links;
  __u32 ns_cgroup, ns_ipc, ns_mnt, ns_net, ns_pid, ns_user, ns_uts;
  __u32 seccomp;
  __u32 tty;  // As /proc/PID/stat has it.
  __u32 pad;
};

struct de_process {
  __u32 bytes;  // Of all of it.
  __u32 pass_flags;
  struct de_steady steady;
  __u64 user_ns;
  __u64 system_ns;
  __u64 run_ns;  // What the scheduler counted; the two above are its ticks.
  __u64 read_bytes;
  __u64 write_bytes;
  __u64 virtual_pages;
  __s64 resident_pages;
  __u32 state;
  __u32 exit_state;
  __u32 threads;
  __s32 nice;
  __u32 fd_count;
  // Lengths of what follows, as in struct de_exec.
  __u32 path_bytes;
  __u32 cwd_bytes;
  __u32 root_bytes;
  __u32 cgroup_bytes;
  __u32 pad;
};
