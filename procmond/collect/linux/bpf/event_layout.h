// What events.bpf.c writes into the ring buffer and bpf_feed.cpp reads: one compiler's layout on one machine, so that
// both sides include this file. Every record is a de_event (a de_args for DE_ARGS and DE_ENV) and its `bytes` say how
// long it is.
//
// Times are nanoseconds of CLOCK_BOOTTIME, pids those of the initial pid namespace.
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

#define DE_PATH_DEPTH 48      // Components of a path; a deeper one is cut at its beginning.
#define DE_TEXT_BYTES 12288   // Paths of one exec together.
#define DE_ARGS_BYTES 8192    // Arguments in the exec record itself.
#define DE_CHUNK_BYTES 24576  // Arguments in one further record.
#define DE_MAX_CHUNKS 86      // 8 KiB + 86 * 24 KiB: 2 MiB.
#define DE_ENV_BYTES 262144   // Of an environment, at most.
#define DE_MAX_ENV_CHUNKS 11
#define DE_COUNTER_SLOTS 256  // Processors beyond share.
#define DE_CGROUP_DEPTH 12

enum de_kind { DE_FORK = 1, DE_EXEC = 2, DE_EXIT = 3, DE_ARGS = 4, DE_ENV = 5 };

// What is left out, each with all before it. Hashes are user space's.
enum de_level { DE_LEVEL_NOTHING = 0, DE_LEVEL_ENVIRONMENT = 1, DE_LEVEL_HASHES = 2, DE_LEVEL_ARGUMENTS = 3 };

// What was left out of one exec.
enum de_shed { DE_SHED_ENVIRONMENT = 1, DE_SHED_ARGUMENTS = 2 };

enum de_flags {
  DE_KERNEL_THREAD = 1,
  DE_NO_NEW_PRIVS = 2,
  DE_SCRIPT = 4,    // `filename` is a script, `file` its interpreter.
  DE_PATH_CUT = 8,  // The path had more than DE_PATH_DEPTH components.
  DE_CWD_CUT = 16,
  DE_UNLINKED = 64,     // The path that was executed leads to the file no more.
  DE_ARGS_UNREAD = 32,  // Memory was not there: args_here and args_sent say how far it was.
};

struct de_task {
  __u64 start_ns;
  __u64 parent_start_ns;
  __u64 pidfs_inode;  // 0: the kernel has none.
  __u64 cgroup_id;
  __u64 exec_id;
  __u32 pid;
  __u32 ppid;
  __u32 uid, gid, euid, egid, suid, sgid;
  __u32 login_uid;
  __u32 session;
  __u32 pgid;
  __u32 flags;
  char comm[16];
};

struct de_event {
  __u32 kind;
  __u32 bytes;
  __u64 time_ns;
  struct de_task task;
  // DE_EXIT: as wait(2) has it.
  __u32 wait_status;
  __u32 pad;
};

struct de_exec {
  struct de_event head;
  __u64 exe_inode;
  __s64 exe_size;
  __s64 exe_mtime_ns;
  __s64 exe_ctime_ns;
  __u64 cap_effective;
  __u64 args_bytes;  // All of them.
  __u64 args_sent;   // Of these, in records before this one, from DE_ARGS_BYTES on and without a hole.
  __u64 env_bytes;   // The whole environment; 0 when nobody wants it.
  __u64 env_sent;    // Of these, in records before this one.
  __u32 exe_dev;     // As the kernel numbers it: major << 20 | minor.
  __u32 exe_mode;
  __u32 exe_uid;
  __u32 exe_links;
  __u32 argc;
  __u32 seccomp;
  __u32 ns_cgroup, ns_ipc, ns_mnt, ns_net, ns_pid, ns_user, ns_uts;
  // Lengths of what follows, in this order. Paths are their components, last one first, each ended by NUL.
  __u32 path_bytes;
  __u32 cwd_bytes;
  __u32 cgroup_bytes;
  __u32 filename_bytes;  // With its NUL.
  __u32 args_here;
  __u32 shed;
  __u32 pad;
};

struct de_args {
  __u32 kind;  // DE_ARGS or DE_ENV.
  __u32 bytes;
  __u64 start_ns;
  __u64 offset;  // Into all of its kind.
  __u32 pid;
  __u32 length;
};

struct de_counters {
  __u64 happened[5];  // By kind.
  __u64 dropped[5];   // The ring was full.
  __u64 clones;       // Tasks of any kind that came to be, where is_counted().
  __u64 workers;      // Of these, threads the kernel starts in a process for its own work: they are no forks.
  __u64 threads;      // Of these, threads of a process,
  __u64 processes;    // and processes: counted at fork, by another program.
  __u64 tails_shed;   // Execs whose argument tail was left out or cut under pressure.
  __u64 environments_shed;
};
