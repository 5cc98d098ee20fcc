// The fields of the kernel's structures that our programs read; libbpf moves every access to where the running kernel
// has the field. Names are the kernel's; `___old` marks how an older kernel called or shaped the same thing.
//
// Seen by the BPF compiler only.
#pragma once

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
  __u32 val;
} kuid_t;
typedef struct {
  __u32 val;
} kgid_t;
typedef struct {
  __u64 val;
} kernel_cap_t;
typedef struct {
  int counter;
} atomic_t;

struct ns_common {
  unsigned int inum;
};
struct user_namespace {
  struct ns_common ns;
};

struct cred {
  kuid_t uid;
  kgid_t gid;
  kuid_t suid;
  kgid_t sgid;
  kuid_t euid;
  kgid_t egid;
  kernel_cap_t cap_effective;
  struct user_namespace* user_ns;
};

struct super_block {
  __u32 s_dev;
};

struct inode {
  unsigned short i_mode;
  kuid_t i_uid;
  struct super_block* i_sb;
  unsigned long i_ino;
  unsigned int i_nlink;
  __s64 i_size;
  __s64 i_mtime_sec;  // Since 6.11.
  __u32 i_mtime_nsec;
  __s64 i_ctime_sec;
  __u32 i_ctime_nsec;
};

struct timespec64___old {
  __s64 tv_sec;
  long tv_nsec;
};
struct inode___mtime {  // Before 6.6.
  struct timespec64___old i_mtime;
  struct timespec64___old i_ctime;
};
struct inode___middle {  // 6.6 to 6.10.
  struct timespec64___old __i_mtime;
  struct timespec64___old __i_ctime;
};

struct qstr {
  const unsigned char* name;
};

struct hlist_bl_node {
  struct hlist_bl_node** pprev;
};

struct dentry {
  struct hlist_bl_node d_hash;
  struct dentry* d_parent;
  struct qstr d_name;
  struct inode* d_inode;
};

struct vfsmount {
  struct dentry* mnt_root;
};

struct mount {
  struct mount* mnt_parent;
  struct dentry* mnt_mountpoint;
  struct vfsmount mnt;
};

struct path {
  struct vfsmount* mnt;
  struct dentry* dentry;
};

struct file {
  struct path f_path;
  struct inode* f_inode;
};

struct fs_struct {
  struct path root;
  struct path pwd;
};

typedef struct {
  __s64 counter;
} atomic64_t;
struct percpu_counter {
  __s64 count;
};

struct mm_struct {
  unsigned long total_vm;
  unsigned long arg_start;
  unsigned long arg_end;
  unsigned long env_start;
  unsigned long env_end;
  struct percpu_counter rss_stat[4];  // Since 6.2.
  struct file* exe_file;
};
struct mm_rss_stat___old {
  atomic64_t count[4];
};
struct mm_struct___old {
  struct mm_rss_stat___old rss_stat;
};

struct linux_binprm {
  struct file* file;
  int argc;
  const char* filename;
  const char* interp;
};

struct uts_namespace {
  struct ns_common ns;
};
struct ipc_namespace {
  struct ns_common ns;
};
struct mnt_namespace {
  struct ns_common ns;
};
struct pid_namespace {
  struct ns_common ns;
};
struct net {
  struct ns_common ns;
};
struct cgroup_namespace {
  struct ns_common ns;
};

struct nsproxy {
  struct uts_namespace* uts_ns;
  struct ipc_namespace* ipc_ns;
  struct mnt_namespace* mnt_ns;
  struct net* net_ns;
  struct cgroup_namespace* cgroup_ns;
};

struct upid {
  int nr;
  struct pid_namespace* ns;
};

struct pid {
  unsigned int level;
  __u64 ino;  // Since 6.9.
  struct upid numbers[1];
};

struct kernfs_node {
  struct kernfs_node* __parent;  // Since 6.15.
  const char* name;
  __u64 id;
};
struct kernfs_node___old {
  struct kernfs_node* parent;
};

struct cgroup {
  struct kernfs_node* kn;
};

struct css_set {
  struct cgroup* dfl_cgrp;
};

struct seccomp {
  int mode;
};

struct list_head {
  struct list_head* next;
};

struct task_io_accounting {
  __u64 read_bytes;
  __u64 write_bytes;
};

struct sched_entity {
  __u64 sum_exec_runtime;
};

struct fdtable {
  unsigned int max_fds;
  unsigned long* open_fds;
};

struct files_struct {
  struct fdtable* fdt;
};

struct tty_driver {
  int major;
  int minor_start;
};

struct tty_struct {
  int index;
  struct tty_driver* driver;
};

struct signal_struct {
  int nr_threads;
  struct list_head thread_head;
  struct tty_struct* tty;
  __u64 utime;
  __u64 stime;
  struct task_io_accounting ioac;
  unsigned long long sum_sched_runtime;
  atomic_t live;
  int group_exit_code;
  unsigned int flags;
  struct pid* pids[4];
};

struct task_struct {
  unsigned int __state;  // Since 5.14.
  unsigned int flags;
  int static_prio;
  struct sched_entity se;
  int exit_state;
  struct list_head thread_node;
  __u64 utime;
  __u64 stime;
  struct files_struct* files;
  struct task_io_accounting ioac;
  struct mm_struct* mm;
  int exit_code;
  unsigned long atomic_flags;
  int pid;
  int tgid;
  struct task_struct* real_parent;
  struct task_struct* group_leader;
  struct pid* thread_pid;
  __u64 start_boottime;
  const struct cred* real_cred;
  const struct cred* cred;
  char comm[16];
  struct fs_struct* fs;
  struct nsproxy* nsproxy;
  struct signal_struct* signal;
  kuid_t loginuid;
  struct seccomp seccomp;
  __u64 self_exec_id;
  struct css_set* cgroups;
};

struct task_struct___old {
  long state;
};

struct seq_file;
struct bpf_iter_meta {
  struct seq_file* seq;
};
struct bpf_iter__task {
  struct bpf_iter_meta* meta;
  struct task_struct* task;
};

struct trace_event_raw_sched_process_exit {
  _Bool group_dead;  // Since 6.16.
};

#pragma clang attribute pop
