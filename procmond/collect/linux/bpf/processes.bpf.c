// Every process there is, in one pass. It runs in whoever reads the iterator and reads the kernel's structures only,
// never the memory of a process: that could wait for the process, or for a file system of its choice.
//
// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The kernel lends its reading functions to programs under the GPL only, so this file is offered under both.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel_types.h"
#include "process_layout.h"

char LICENSE[] SEC("license") = "GPL";

struct scratch {
  struct de_process process;
  char data[DE_TEXT_BYTES + 4 * 256];
};
#include "task_facts.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct scratch);
} scratches SEC(".maps");

// Set by user space before a pass, through shared memory. Paths are told of every `turns`-th process, another one in
// each pass, and of those born since `since_ns`; of others they are known.
__u64 since_ns;
__u32 turn;
__u32 turns;

static __always_inline __u32 tty_number(struct signal_struct* signal) {
  struct tty_struct* tty = BPF_CORE_READ(signal, tty);
  if (!tty) return 0;
  __u32 major = BPF_CORE_READ(tty, driver, major);
  __u32 minor = BPF_CORE_READ(tty, driver, minor_start) + BPF_CORE_READ(tty, index);
  return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

static __always_inline __u32 bits_in(__u64 word) {
  word = word - ((word >> 1) & 0x5555555555555555ULL);
  word = (word & 0x3333333333333333ULL) + ((word >> 2) & 0x3333333333333333ULL);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return (word * 0x0101010101010101ULL) >> 56;
}

__noinline __u32 count_fds(__u64 files_address) {
  struct files_struct* files = (void*)files_address;
  struct fdtable* table = BPF_CORE_READ(files, fdt);
  __u32 words = BPF_CORE_READ(table, max_fds) / 64;
  unsigned long* open_fds = BPF_CORE_READ(table, open_fds);
  __u32 count = 0;
  if (words > DE_MAX_FD_WORDS) return CUT;
  for (__u32 i = 0; i < DE_MAX_FD_WORDS && i < words; ++i) {
    __u64 word = 0;
    if (bpf_probe_read_kernel(&word, sizeof(word), &open_fds[i]) != 0) break;
    count += bits_in(word);
  }
  return count;
}

// Those of threads that have ended are summed up by the kernel, those that live are asked.
__noinline int add_times(struct scratch* scratch, __u64 signal_address) {
  struct signal_struct* signal = (void*)signal_address;
  if (!scratch) return 0;
  struct de_process* out = &scratch->process;
  __u64 user = BPF_CORE_READ(signal, utime), system = BPF_CORE_READ(signal, stime);
  __u64 run = BPF_CORE_READ(signal, sum_sched_runtime);
  __u64 read = 0, written = 0;
  struct list_head* head = (void*)signal + bpf_core_field_offset(struct signal_struct, thread_head);
  struct list_head* node = BPF_CORE_READ(head, next);
  if (bpf_core_field_exists(signal->ioac.read_bytes)) {
    read = BPF_CORE_READ(signal, ioac.read_bytes);
    written = BPF_CORE_READ(signal, ioac.write_bytes);
  }
  int i = 0;
  for (; i < DE_MAX_THREADS && node != head; ++i) {
    struct task_struct* thread = (void*)node - bpf_core_field_offset(struct task_struct, thread_node);
    user += BPF_CORE_READ(thread, utime);
    system += BPF_CORE_READ(thread, stime);
    run += BPF_CORE_READ(thread, se.sum_exec_runtime);
    if (bpf_core_field_exists(thread->ioac.read_bytes)) {
      read += BPF_CORE_READ(thread, ioac.read_bytes);
      written += BPF_CORE_READ(thread, ioac.write_bytes);
    }
    node = BPF_CORE_READ(node, next);
    if (!node) break;
  }
  if (i == DE_MAX_THREADS) out->pass_flags |= DE_TIMES_CUT;
  out->user_ns = user;
  out->system_ns = system;
  out->run_ns = run;
  out->read_bytes = read;
  out->write_bytes = written;
  return 0;
}

// File, anonymous and shared pages; the third of four counters is swap.
static __always_inline __s64 resident_pages(struct mm_struct* mm) {
  struct mm_struct___old* old = (void*)mm;
  if (bpf_core_field_exists(old->rss_stat.count))
    return BPF_CORE_READ(old, rss_stat.count[0].counter) + BPF_CORE_READ(old, rss_stat.count[1].counter) +
           BPF_CORE_READ(old, rss_stat.count[3].counter);
  __s64 pages = 0, part;
  part = BPF_CORE_READ(mm, rss_stat[0].count);
  pages += part > 0 ? part : 0;
  part = BPF_CORE_READ(mm, rss_stat[1].count);
  pages += part > 0 ? part : 0;
  part = BPF_CORE_READ(mm, rss_stat[3].count);
  return pages + (part > 0 ? part : 0);
}

static __always_inline void fill_metrics(struct de_process* out, struct task_struct* task,
                                         struct signal_struct* signal) {
  struct task_struct___old* old = (void*)task;
  out->state = bpf_core_field_exists(task->__state) ? BPF_CORE_READ(task, __state) : BPF_CORE_READ(old, state);
  out->exit_state = BPF_CORE_READ(task, exit_state);
  out->threads = BPF_CORE_READ(signal, nr_threads);
  out->nice = BPF_CORE_READ(task, static_prio) - 120;
  struct files_struct* files = BPF_CORE_READ(task, files);
  out->fd_count = files ? count_fds((__u64)files) : 0;
  if (out->fd_count == CUT) out->pass_flags |= DE_FDS_CUT;
}

// Returns the file that is running.
static __always_inline struct file* fill_memory(struct de_process* out, struct mm_struct* mm) {
  struct de_steady* steady = &out->steady;
  steady->task.flags |= DE_HAS_MEMORY;
  steady->arg_start = BPF_CORE_READ(mm, arg_start);
  steady->arg_end = BPF_CORE_READ(mm, arg_end);
  out->virtual_pages = BPF_CORE_READ(mm, total_vm);
  out->resident_pages = resident_pages(mm);
  struct file* file = BPF_CORE_READ(mm, exe_file);
  struct inode* inode = BPF_CORE_READ(file, f_inode);
  if (!inode) return 0;
  steady->exe_inode = BPF_CORE_READ(inode, i_ino);
  steady->exe_dev = BPF_CORE_READ(inode, i_sb, s_dev);
  steady->exe_size = BPF_CORE_READ(inode, i_size);
  read_times(inode, &steady->exe_mtime_ns, &steady->exe_ctime_ns);
  steady->exe_mode = BPF_CORE_READ(inode, i_mode);
  steady->exe_uid = BPF_CORE_READ(inode, i_uid.val);
  steady->exe_links = BPF_CORE_READ(inode, i_nlink);
  if (!BPF_CORE_READ(file, f_path.dentry, d_hash.pprev)) steady->task.flags |= DE_UNLINKED;
  return file;
}

static __always_inline void fill_place(struct de_steady* out, struct fs_struct* fs) {
  struct task_struct* self = (struct task_struct*)bpf_get_current_task();
  struct dentry* cwd = BPF_CORE_READ(fs, pwd.dentry);
  out->cwd_dentry = (__u64)cwd;
  out->cwd_mount = (__u64)BPF_CORE_READ(fs, pwd.mnt);
  out->root_dentry = (__u64)BPF_CORE_READ(fs, root.dentry);
  out->root_mount = (__u64)BPF_CORE_READ(fs, root.mnt);
  if (out->root_dentry == (__u64)BPF_CORE_READ(self, fs, root.dentry) &&
      out->root_mount == (__u64)BPF_CORE_READ(self, fs, root.mnt))
    out->task.flags |= DE_OWN_ROOT;
  if (!BPF_CORE_READ(cwd, d_hash.pprev) && BPF_CORE_READ(cwd, d_parent) != cwd) out->task.flags |= DE_CWD_UNLINKED;
}

// Returns where the texts end.
static __always_inline __u32 append_texts(struct scratch* scratch, struct task_struct* task, struct file* file,
                                          struct fs_struct* fs) {
  struct de_process* out = &scratch->process;
  struct de_steady* steady = &out->steady;
  out->pass_flags |= DE_HAS_TEXTS;
  __u32 at = 0, end = 0;
  if (file) {
    end = append_path(scratch, 0, (__u64)BPF_CORE_READ(file, f_path.mnt), (__u64)BPF_CORE_READ(file, f_path.dentry));
    if (end & CUT) out->pass_flags |= DE_PATH_CUT;
    at = end & ~CUT;
  }
  out->path_bytes = at;
  if (fs) {
    end = append_path(scratch, at, steady->cwd_mount, steady->cwd_dentry);
    if (end & CUT) out->pass_flags |= DE_CWD_CUT;
    out->cwd_bytes = (end & ~CUT) - at;
    at = end & ~CUT;
    if (!(steady->task.flags & DE_OWN_ROOT)) {
      end = append_path(scratch, at, steady->root_mount, steady->root_dentry);
      if (end & CUT) out->pass_flags |= DE_ROOT_CUT;
      out->root_bytes = (end & ~CUT) - at;
      at = end & ~CUT;
    }
  }
  end = append_cgroup(scratch, at, (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp, kn));
  out->cgroup_bytes = end - at;
  return end;
}

SEC("iter/task")
int on_process(struct bpf_iter__task* ctx) {
  struct task_struct* task = ctx->task;
  if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid)) return 0;
  __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&scratches, &zero);
  if (!scratch) return 0;
  struct de_process* out = &scratch->process;
  __builtin_memset(out, 0, sizeof(*out));
  struct de_steady* steady = &out->steady;
  struct signal_struct* signal = BPF_CORE_READ(task, signal);
  const struct cred* cred = BPF_CORE_READ(task, real_cred);

  fill_task(&steady->task, task);
  steady->cap_effective = BPF_CORE_READ(cred, cap_effective.val);
  if (bpf_core_field_exists(task->seccomp)) steady->seccomp = BPF_CORE_READ(task, seccomp.mode);
  steady->tty = tty_number(signal);
  steady->cgroup_set = (__u64)BPF_CORE_READ(task, cgroups);
  if (BPF_CORE_READ(task, nsproxy)) read_namespaces(task, cred, &steady->ns_cgroup);
  fill_metrics(out, task, signal);
  add_times(scratch, (__u64)signal);
  struct file* file = 0;
  struct fs_struct* fs = 0;
  if (!(steady->task.flags & DE_KERNEL_THREAD)) {
    struct mm_struct* mm = BPF_CORE_READ(task, mm);
    fs = BPF_CORE_READ(task, fs);
    if (mm) file = fill_memory(out, mm);
    if (fs) fill_place(steady, fs);
  }
  __u32 bytes = 0;
  if (steady->task.start_ns >= since_ns || turns == 0 || steady->task.pid % turns == turn)
    bytes = append_texts(scratch, task, file, fs);
  bytes += sizeof(*out);
  if (bytes > sizeof(*scratch)) return 0;
  out->bytes = bytes;
  bpf_seq_write(ctx->meta->seq, scratch, bytes);
  return 0;
}
