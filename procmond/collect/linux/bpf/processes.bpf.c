// Every process there is, in one pass. It runs in whoever reads the iterator and reads the kernel's structures only,
// never the memory of a process: that could wait for the process, or for a file system of its choice.
//
// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The kernel lends its reading functions to programs under the GPL only, so this file is offered under both.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel_types.h"
#include "per_cpu.bpf.h"
#include "process_layout.h"

char LICENSE[] SEC("license") = "GPL";

struct scratch {
  struct de_process process;
  char data[DE_TEXT_BYTES + 4 * 256];
};
#include "task_facts.bpf.h"

PER_CPU_PLACE(struct scratch, scratches);

// Set by user space before a pass, through shared memory. Paths are told of every `turns`-th process, another one in
// each pass, and of those born since `since_ns`; of others they are known.
__u64 since_ns;
__u32 turn;
__u32 turns;
__u32 wanted;  // enum de_process_wanted

static __always_inline __u32 tty_number(struct signal_struct* signal) {
  struct tty_struct* tty = signal->tty;
  if (!tty) return 0;
  __u32 major = tty->driver->major;
  __u32 minor = tty->driver->minor_start + tty->index;
  return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}

static __always_inline __u32 bits_in(__u64 word) {
  word = word - ((word >> 1) & 0x5555555555555555ULL);
  word = (word & 0x3333333333333333ULL) + ((word >> 2) & 0x3333333333333333ULL);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return (word * 0x0101010101010101ULL) >> 56;
}

__noinline __u32 count_fds(__u32 words, __u64 open_fds) {
  __u32 count = 0;
  if (words > DE_MAX_FD_WORDS) return CUT;
  for (__u32 i = 0; i < DE_MAX_FD_WORDS && i < words; ++i) {
    __u64 word = 0;
    if (bpf_probe_read_kernel(&word, sizeof(word), (void*)(open_fds + i * sizeof(word))) != 0) break;
    count += bits_in(word);
  }
  return count;
}

// Of the threads beside the first.
__noinline int add_threads(struct scratch* scratch, __u64 signal_address) {
  struct signal_struct* signal = (void*)signal_address;
  if (!scratch) return 0;
  struct de_process* out = &scratch->process;
  struct list_head* head = (void*)signal + bpf_core_field_offset(struct signal_struct, thread_head);
  struct list_head* node = BPF_CORE_READ(head, next);
  int i = 0;
  for (; i < DE_MAX_THREADS && node && node != head; ++i) {
    struct task_struct* thread = (void*)node - bpf_core_field_offset(struct task_struct, thread_node);
    node = BPF_CORE_READ(node, next);
    if ((__u32)BPF_CORE_READ(thread, pid) == out->steady.task.pid) continue;
    out->user_ns += BPF_CORE_READ(thread, utime);
    out->system_ns += BPF_CORE_READ(thread, stime);
    out->run_ns += BPF_CORE_READ(thread, se.sum_exec_runtime);
    if ((wanted & DE_WANT_IO) && bpf_core_field_exists(thread->ioac.read_bytes)) {
      out->read_bytes += BPF_CORE_READ(thread, ioac.read_bytes);
      out->write_bytes += BPF_CORE_READ(thread, ioac.write_bytes);
    }
  }
  if (i == DE_MAX_THREADS) out->pass_flags |= DE_TIMES_CUT;
  return 0;
}

// Those of threads that have ended are summed up by the kernel, those that live are asked.
static __always_inline void add_times(struct scratch* scratch, struct task_struct* task, struct signal_struct* signal) {
  struct de_process* out = &scratch->process;
  out->user_ns = signal->utime + task->utime;
  out->system_ns = signal->stime + task->stime;
  out->run_ns = signal->sum_sched_runtime + task->se.sum_exec_runtime;
  if ((wanted & DE_WANT_IO) && bpf_core_field_exists(signal->ioac.read_bytes)) {
    out->read_bytes = signal->ioac.read_bytes + task->ioac.read_bytes;
    out->write_bytes = signal->ioac.write_bytes + task->ioac.write_bytes;
  }
  if (out->threads > 1) add_threads(scratch, (__u64)BPF_CORE_READ(task, signal));
}

// File, anonymous and shared pages; the third of four counters is swap.
static __always_inline __s64 resident_pages(struct mm_struct* mm) {
  struct mm_struct___old* old = (void*)mm;
  if (bpf_core_field_exists(old->rss_stat.count))
    return BPF_CORE_READ(old, rss_stat.count[0].counter) + BPF_CORE_READ(old, rss_stat.count[1].counter) +
           BPF_CORE_READ(old, rss_stat.count[3].counter);
  __s64 pages = 0, part;
  part = mm->rss_stat[0].count;
  pages += part > 0 ? part : 0;
  part = mm->rss_stat[1].count;
  pages += part > 0 ? part : 0;
  part = mm->rss_stat[3].count;
  return pages + (part > 0 ? part : 0);
}

static __always_inline void fill_metrics(struct de_process* out, struct task_struct* task,
                                         struct signal_struct* signal) {
  struct task_struct___old* old = (void*)task;
  out->state = bpf_core_field_exists(task->__state) ? task->__state : BPF_CORE_READ(old, state);
  out->exit_state = task->exit_state;
  out->threads = signal->nr_threads;
  out->nice = task->static_prio - 120;
  if (!(wanted & DE_WANT_FDS)) return;
  struct files_struct* files = task->files;
  out->fd_count = files ? count_fds(files->fdt->max_fds / 64, (__u64)BPF_CORE_READ(files, fdt, open_fds)) : 0;
  if (out->fd_count == CUT) out->pass_flags |= DE_FDS_CUT;
}

// Returns the file that is running.
static __always_inline struct file* fill_memory(struct de_process* out, struct mm_struct* mm) {
  struct de_steady* steady = &out->steady;
  steady->task.flags |= DE_HAS_MEMORY;
  steady->arg_start = mm->arg_start;
  steady->arg_end = mm->arg_end;
  out->virtual_pages = mm->total_vm;
  out->resident_pages = resident_pages(mm);
  struct file* file = mm->exe_file;
  struct inode* inode = file->f_inode;
  if (!inode) return 0;
  steady->exe_inode = inode->i_ino;
  steady->exe_dev = inode->i_sb->s_dev;
  steady->exe_size = inode->i_size;
  read_times(inode, &steady->exe_mtime_ns, &steady->exe_ctime_ns);
  steady->exe_mode = inode->i_mode;
  steady->exe_uid = inode->i_uid.val;
  steady->exe_links = inode->i_nlink;
  if (!file->f_path.dentry->d_hash.pprev) steady->task.flags |= DE_UNLINKED;
  return file;
}

static __always_inline void fill_place(struct de_steady* out, struct fs_struct* fs) {
  struct task_struct* self = (struct task_struct*)bpf_get_current_task();
  struct dentry* cwd = fs->pwd.dentry;
  out->cwd_dentry = (__u64)BPF_CORE_READ(fs, pwd.dentry);
  out->cwd_mount = (__u64)BPF_CORE_READ(fs, pwd.mnt);
  out->root_dentry = (__u64)BPF_CORE_READ(fs, root.dentry);
  out->root_mount = (__u64)BPF_CORE_READ(fs, root.mnt);
  if (out->root_dentry == (__u64)BPF_CORE_READ(self, fs, root.dentry) &&
      out->root_mount == (__u64)BPF_CORE_READ(self, fs, root.mnt))
    out->task.flags |= DE_OWN_ROOT;
  if (!cwd->d_hash.pprev && (__u64)BPF_CORE_READ(cwd, d_parent) != out->cwd_dentry) out->task.flags |= DE_CWD_UNLINKED;
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
  if (!task || task->pid != task->tgid) return 0;
  __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&scratches, &zero);
  if (!scratch) return 0;
  struct de_process* out = &scratch->process;
  __builtin_memset(out, 0, sizeof(*out));
  struct de_steady* steady = &out->steady;
  struct signal_struct* signal = task->signal;
  const struct cred* cred = task->real_cred;

  fill_task(&steady->task, task);
  steady->cap_effective = cred->cap_effective.val;
  if (bpf_core_field_exists(task->seccomp)) steady->seccomp = task->seccomp.mode;
  steady->tty = tty_number(signal);
  steady->cgroup_set = (__u64)BPF_CORE_READ(task, cgroups);
  if (task->nsproxy) read_namespaces(task, &steady->ns_cgroup);
  fill_metrics(out, task, signal);
  add_times(scratch, task, signal);
  struct file* file = 0;
  struct fs_struct* fs = 0;
  if (!(steady->task.flags & DE_KERNEL_THREAD)) {
    struct mm_struct* mm = task->mm;
    fs = task->fs;
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
