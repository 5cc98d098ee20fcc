// Every fork, exec and exit, captured where it happens: the process itself runs this code, so nothing it does later can
// change what was seen. Nothing here waits, and nothing is decided here: what does not fit is counted.
//
// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The kernel lends its reading functions to programs under the GPL only, so this file is offered under both.
#include "chunks.bpf.h"
#include "ring.bpf.h"
#include "task_facts.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#define PF_IO_WORKER 0x00000010
#define PF_USER_WORKER 0x00004000
#define SIGNAL_GROUP_EXIT 4

// The programs are attached one after the other. A task counts in all of them or in none: by its own start, which is
// set before either of them runs.
__u64 counted_from_ns = ~0ULL;

static __always_inline int is_counted(const struct task_struct* task) {
  return task->start_boottime >= counted_from_ns;
}

// Every task that comes to be, threads and those the kernel makes for itself included: what /proc/stat counts as
// `processes`, counted by other code than the forks below.
SEC("tp_btf/task_newtask")
int on_new_task(__u64* ctx) {
  struct task_struct* task = (struct task_struct*)ctx[0];
  if (!is_counted(task)) return 0;
  struct de_counters* slot = counter_slot();
  __sync_fetch_and_add(&slot->clones, 1);
  if (task->flags & (PF_IO_WORKER | PF_USER_WORKER)) __sync_fetch_and_add(&slot->workers, 1);
  return 0;
}

SEC("tp_btf/sched_process_fork")
int on_fork(__u64* ctx) {
  struct task_struct* child = (struct task_struct*)ctx[1];
  int is_process = child->pid == child->tgid;
  struct de_counters* slot = counter_slot();
  if (is_counted(child)) __sync_fetch_and_add(is_process ? &slot->processes : &slot->threads, 1);
  if (!is_process) return 0;
  struct de_event event = {};
  event.kind = DE_FORK;
  event.bytes = sizeof(event);
  event.time_ns = bpf_ktime_get_boot_ns();
  fill_task(&event.task, child);
  note_fill();
  send(&event, sizeof(event), DE_FORK);
  return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(__u64* ctx) {
  struct task_struct* task = (struct task_struct*)ctx[0];
  struct signal_struct* signal = task->signal;
  // Only the last thread ends the process. Newer kernels say so; before, the count was lowered just before.
  if (bpf_core_field_exists(struct trace_event_raw_sched_process_exit, group_dead)) {
    if (!(ctx[1] & 1)) return 0;
  } else if (signal->live.counter != 0) {
    return 0;
  }
  struct de_event event = {};
  event.kind = DE_EXIT;
  event.bytes = sizeof(event);
  event.time_ns = bpf_ktime_get_boot_ns();
  fill_task(&event.task, task);
  event.wait_status = (signal->flags & SIGNAL_GROUP_EXIT) ? signal->group_exit_code : task->group_leader->exit_code;
  note_fill();
  send(&event, sizeof(event), DE_EXIT);
  return 0;
}

SEC("tp_btf/sched_process_exec")
int on_exec(__u64* ctx) {
  struct task_struct* task = (struct task_struct*)ctx[0];
  struct linux_binprm* bprm = (struct linux_binprm*)ctx[2];
  __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&scratches, &zero);
  if (!scratch) return 0;
  struct de_exec* exec = &scratch->exec;
  const struct cred* cred = task->real_cred;

  note_fill();
  exec->head.kind = DE_EXEC;
  exec->head.time_ns = bpf_ktime_get_boot_ns();
  exec->head.wait_status = 0;
  fill_task(&exec->head.task, task);
  read_namespaces(task, &exec->ns_cgroup);
  exec->cap_effective = cred->cap_effective.val;
  exec->seccomp = 0;
  if (bpf_core_field_exists(task->seccomp)) exec->seccomp = task->seccomp.mode;

  struct file* file = bprm->file;
  struct inode* inode = file->f_inode;
  exec->exe_inode = inode->i_ino;
  exec->exe_dev = inode->i_sb->s_dev;
  exec->exe_size = inode->i_size;
  read_times(inode, &exec->exe_mtime_ns, &exec->exe_ctime_ns);
  exec->exe_mode = inode->i_mode;
  exec->exe_uid = inode->i_uid.val;
  exec->exe_links = inode->i_nlink;
  if (!file->f_path.dentry->d_hash.pprev) exec->head.task.flags |= DE_UNLINKED;
  exec->argc = bprm->argc;

  // As numbers: a function of its own may not be given the kernel's pointers.
  __u32 end =
      append_path(scratch, 0, (__u64)BPF_CORE_READ(file, f_path.mnt), (__u64)BPF_CORE_READ(file, f_path.dentry));
  if (end & CUT) exec->head.task.flags |= DE_PATH_CUT;
  __u32 at = end & ~CUT;
  exec->path_bytes = at;
  struct fs_struct* fs = task->fs;
  end = append_path(scratch, at, (__u64)BPF_CORE_READ(fs, pwd.mnt), (__u64)BPF_CORE_READ(fs, pwd.dentry));
  if (end & CUT) exec->head.task.flags |= DE_CWD_CUT;
  exec->cwd_bytes = (end & ~CUT) - at;
  at = end & ~CUT;
  end = append_cgroup(scratch, at, (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp, kn));
  exec->cgroup_bytes = end - at;
  at = end;

  const char* filename = bprm->filename;
  if (bprm->interp != filename) exec->head.task.flags |= DE_SCRIPT;
  exec->filename_bytes = 0;
  if (at <= DE_TEXT_BYTES) {
    long got = bpf_probe_read_kernel_str(&scratch->data[at], 2 * NAME_BYTES, filename);
    if (got > 0) {
      exec->filename_bytes = got & 0x3ff;
      at += exec->filename_bytes;
    }
  }

  struct mm_struct* mm = task->mm;
  __u64 start = mm->arg_start;
  __u64 bytes = mm->arg_end - start;
  exec->args_bytes = bytes;
  exec->args_sent = 0;
  exec->env_bytes = 0;
  exec->env_sent = 0;
  exec->shed = 0;
  __u32 here = bytes < DE_ARGS_BYTES ? bytes : DE_ARGS_BYTES;
  exec->args_here = 0;
  if (at <= DE_TEXT_BYTES + 3 * NAME_BYTES && here <= DE_ARGS_BYTES) {
    if (bpf_probe_read_user(&scratch->data[at], here, (void*)start) == 0) {
      exec->args_here = here;
      at += here;
    } else {
      exec->head.task.flags |= DE_ARGS_UNREAD;
    }
  }
  if (exec->args_here == DE_ARGS_BYTES && bytes > DE_ARGS_BYTES) send_argument_tail(scratch, start, bytes);
  if (environment_limit > 0) {
    start = mm->env_start;
    send_environment(scratch, start, mm->env_end - start);
  }
  __u32 total = sizeof(*exec) + at;
  if (total > sizeof(*scratch)) return 0;
  exec->head.bytes = total;
  send(scratch, total, DE_EXEC);
  return 0;
}
