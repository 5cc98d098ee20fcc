// Every fork, exec and exit, captured where it happens: the process itself runs this code, so nothing it does later can
// change what was seen. Nothing here waits, and nothing is decided here: what does not fit is counted.
//
// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// The kernel lends its reading functions to programs under the GPL only, so this file is offered under both.
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "event_layout.h"
#include "kernel_types.h"

char LICENSE[] SEC("license") = "GPL";

#define PF_KTHREAD 0x00200000
#define PF_IO_WORKER 0x00000010
#define PF_USER_WORKER 0x00004000
#define SIGNAL_GROUP_EXIT 4
#define PIDTYPE_PGID 2
#define PIDTYPE_SID 3
#define NAME_BYTES 256
// Changes no value that occurs; tells the verifier that all rounds of a loop look alike.
#define TEXT_MASK 0x3fff
#define CUT (1u << 30)
#define UNREAD (1u << 30)

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4 << 20);  // Set before loading.
} ring SEC(".maps");

struct scratch {
  struct de_exec exec;
  char data[DE_TEXT_BYTES + DE_ARGS_BYTES + 4 * NAME_BYTES];
};
struct chunk {
  struct de_args head;
  char data[DE_CHUNK_BYTES];
};
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct scratch);
} scratches SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct chunk);
} chunks SEC(".maps");

// Read by user space through shared memory, without a system call.
struct de_counters counters[DE_COUNTER_SLOTS];
// When the consumer was last woken; racing writers wake it once too often at worst.
__u64 woken_ns;

const volatile __u64 latency_ns = 5000000;
const volatile __u64 ring_bytes = 4 << 20;

static __always_inline struct de_counters* counter_slot(void) {
  return &counters[bpf_get_smp_processor_id() & (DE_COUNTER_SLOTS - 1)];
}

// The first event after a pause wakes the consumer at once, the next ones wait for it until latency_ns is over: the
// interrupt that a wake-up takes costs more than the event.
static __always_inline __u64 wake_flags(__u64 now) {
  if (now - woken_ns >= latency_ns || bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_bytes / 4) {
    woken_ns = now;
    return BPF_RB_FORCE_WAKEUP;
  }
  return BPF_RB_NO_WAKEUP;
}

static __always_inline void send(void* record, __u64 bytes, __u32 kind, __u64 now) {
  struct de_counters* slot = counter_slot();
  __sync_fetch_and_add(&slot->happened[kind], 1);
  if (bpf_ringbuf_output(&ring, record, bytes, wake_flags(now)) != 0) __sync_fetch_and_add(&slot->dropped[kind], 1);
}

static __always_inline __u32 number_of(struct pid* pid) { return pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0; }

static __always_inline void fill_task(struct de_task* out, struct task_struct* task) {
  struct task_struct* leader = BPF_CORE_READ(task, group_leader);
  struct task_struct* parent = BPF_CORE_READ(task, real_parent);
  struct task_struct* parent_leader = BPF_CORE_READ(parent, group_leader);
  const struct cred* cred = BPF_CORE_READ(task, real_cred);
  struct signal_struct* signal = BPF_CORE_READ(task, signal);
  struct pid* pid = BPF_CORE_READ(leader, thread_pid);
  out->start_ns = BPF_CORE_READ(leader, start_boottime);
  out->parent_start_ns = BPF_CORE_READ(parent_leader, start_boottime);
  out->pidfs_inode = 0;
  if (bpf_core_field_exists(pid->ino)) out->pidfs_inode = BPF_CORE_READ(pid, ino);
  out->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
  out->exec_id = BPF_CORE_READ(task, self_exec_id);
  out->pid = BPF_CORE_READ(task, tgid);
  out->ppid = BPF_CORE_READ(parent, tgid);
  out->uid = BPF_CORE_READ(cred, uid.val);
  out->gid = BPF_CORE_READ(cred, gid.val);
  out->euid = BPF_CORE_READ(cred, euid.val);
  out->egid = BPF_CORE_READ(cred, egid.val);
  out->suid = BPF_CORE_READ(cred, suid.val);
  out->sgid = BPF_CORE_READ(cred, sgid.val);
  out->login_uid = ~0u;
  if (bpf_core_field_exists(task->loginuid)) out->login_uid = BPF_CORE_READ(task, loginuid.val);
  out->pgid = number_of(BPF_CORE_READ(signal, pids[PIDTYPE_PGID]));
  out->session = number_of(BPF_CORE_READ(signal, pids[PIDTYPE_SID]));
  out->flags = (BPF_CORE_READ(task, flags) & PF_KTHREAD) ? DE_KERNEL_THREAD : 0;
  if (BPF_CORE_READ(task, atomic_flags) & 1) out->flags |= DE_NO_NEW_PRIVS;
  bpf_core_read(&out->comm, sizeof(out->comm), &task->comm);
}

// Every task that comes to be, threads and those the kernel makes for itself included: what /proc/stat counts as
// `processes`, counted by other code than the forks below.
SEC("tp_btf/task_newtask")
int on_new_task(__u64* ctx) {
  struct task_struct* task = (struct task_struct*)ctx[0];
  struct de_counters* slot = counter_slot();
  __sync_fetch_and_add(&slot->clones, 1);
  if (BPF_CORE_READ(task, flags) & (PF_IO_WORKER | PF_USER_WORKER)) __sync_fetch_and_add(&slot->workers, 1);
  return 0;
}

SEC("tp_btf/sched_process_fork")
int on_fork(__u64* ctx) {
  struct task_struct* child = (struct task_struct*)ctx[1];
  if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid)) {
    __sync_fetch_and_add(&counter_slot()->threads, 1);
    return 0;
  }
  struct de_event event = {};
  event.kind = DE_FORK;
  event.bytes = sizeof(event);
  event.time_ns = bpf_ktime_get_boot_ns();
  fill_task(&event.task, child);
  send(&event, sizeof(event), DE_FORK, event.time_ns);
  return 0;
}

SEC("tp_btf/sched_process_exit")
int on_exit(__u64* ctx) {
  struct task_struct* task = (struct task_struct*)ctx[0];
  struct signal_struct* signal = BPF_CORE_READ(task, signal);
  // Only the last thread ends the process. Newer kernels say so; before, the count was lowered just before.
  if (bpf_core_field_exists(struct trace_event_raw_sched_process_exit, group_dead)) {
    if (!(ctx[1] & 1)) return 0;
  } else if (BPF_CORE_READ(signal, live.counter) != 0) {
    return 0;
  }
  struct de_event event = {};
  event.kind = DE_EXIT;
  event.bytes = sizeof(event);
  event.time_ns = bpf_ktime_get_boot_ns();
  fill_task(&event.task, task);
  event.wait_status = (BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT) ? BPF_CORE_READ(signal, group_exit_code)
                                                                         : BPF_CORE_READ(task, group_leader, exit_code);
  send(&event, sizeof(event), DE_EXIT, event.time_ns);
  return 0;
}

// The kernel renamed both times twice.
static __always_inline void fill_times(struct de_exec* out, struct inode* inode) {
  struct inode___middle* middle = (void*)inode;
  struct inode___mtime* old = (void*)inode;
  __s64 mtime, ctime;
  __u32 mtime_ns, ctime_ns;
  if (bpf_core_field_exists(inode->i_mtime_sec)) {
    mtime = BPF_CORE_READ(inode, i_mtime_sec);
    mtime_ns = BPF_CORE_READ(inode, i_mtime_nsec);
    ctime = BPF_CORE_READ(inode, i_ctime_sec);
    ctime_ns = BPF_CORE_READ(inode, i_ctime_nsec);
  } else if (bpf_core_field_exists(middle->__i_mtime)) {
    mtime = BPF_CORE_READ(middle, __i_mtime.tv_sec);
    mtime_ns = BPF_CORE_READ(middle, __i_mtime.tv_nsec);
    ctime = BPF_CORE_READ(middle, __i_ctime.tv_sec);
    ctime_ns = BPF_CORE_READ(middle, __i_ctime.tv_nsec);
  } else {
    mtime = BPF_CORE_READ(old, i_mtime.tv_sec);
    mtime_ns = BPF_CORE_READ(old, i_mtime.tv_nsec);
    ctime = BPF_CORE_READ(old, i_ctime.tv_sec);
    ctime_ns = BPF_CORE_READ(old, i_ctime.tv_nsec);
  }
  out->exe_mtime_ns = mtime * 1000000000LL + mtime_ns;
  // Newer kernels keep a mark in the highest bit: that somebody has asked for the time.
  out->exe_ctime_ns = ctime * 1000000000LL + (ctime_ns & 0x7fffffff);
}

// The functions below that are not static are verified once each instead of once for every way that leads to them.

// Appends the components of a path, last one first, and returns the new end, with CUT when there were more. The
// kernel's pointers come as numbers: what they lead to is read, never trusted.
__noinline __u32 append_path(struct scratch* scratch, __u32 at, __u64 mnt_address, __u64 dentry_address) {
  struct vfsmount* vfsmount = (void*)mnt_address;
  struct dentry* dentry = (void*)dentry_address;
  struct mount* mount = (void*)vfsmount - bpf_core_field_offset(struct mount, mnt);
  struct dentry* root = BPF_CORE_READ(vfsmount, mnt_root);
  if (!scratch) return at;
  at &= TEXT_MASK;
  for (int i = 0; i < DE_PATH_DEPTH; ++i) {
    struct dentry* parent = BPF_CORE_READ(dentry, d_parent);
    if (at > DE_TEXT_BYTES) break;
    if (dentry == root || dentry == parent) {
      struct mount* above = BPF_CORE_READ(mount, mnt_parent);
      if (dentry != root) {
        // In no tree (a memfd): it has a name all the same.
        at += bpf_probe_read_kernel_str(&scratch->data[at], NAME_BYTES, BPF_CORE_READ(dentry, d_name.name)) & 0x1ff;
        return at;
      }
      if (above == mount) return at;
      dentry = BPF_CORE_READ(mount, mnt_mountpoint);
      mount = above;
      root = BPF_CORE_READ(mount, mnt.mnt_root);
      continue;
    }
    long got = bpf_probe_read_kernel_str(&scratch->data[at], NAME_BYTES, BPF_CORE_READ(dentry, d_name.name));
    if (got <= 0) break;
    at = (at + (got & 0x1ff)) & TEXT_MASK;
    dentry = parent;
  }
  return at | CUT;
}

__noinline __u32 append_cgroup(struct scratch* scratch, __u32 at, __u64 node_address) {
  struct kernfs_node* node = (void*)node_address;
  if (!scratch) return at;
  at &= TEXT_MASK;
  for (int i = 0; i < DE_CGROUP_DEPTH && node; ++i) {
    struct kernfs_node* parent;
    struct kernfs_node___old* old = (void*)node;
    if (bpf_core_field_exists(node->__parent))
      parent = BPF_CORE_READ(node, __parent);
    else
      parent = BPF_CORE_READ(old, parent);
    if (!parent || at > DE_TEXT_BYTES) break;
    long got = bpf_probe_read_kernel_str(&scratch->data[at], NAME_BYTES, BPF_CORE_READ(node, name));
    if (got <= 0) break;
    at = (at + (got & 0x1ff)) & TEXT_MASK;
    node = parent;
  }
  return at;
}

static __always_inline void fill_namespaces(struct de_exec* out, struct task_struct* task, const struct cred* cred) {
  struct nsproxy* proxy = BPF_CORE_READ(task, nsproxy);
  struct pid* pid = BPF_CORE_READ(task, group_leader, thread_pid);
  unsigned int level = BPF_CORE_READ(pid, level);
  struct upid upid = {};
  bpf_probe_read_kernel(
      &upid, sizeof(upid),
      (void*)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid));
  out->ns_pid = BPF_CORE_READ(upid.ns, ns.inum);
  out->ns_user = BPF_CORE_READ(cred, user_ns, ns.inum);
  out->ns_cgroup = BPF_CORE_READ(proxy, cgroup_ns, ns.inum);
  out->ns_ipc = BPF_CORE_READ(proxy, ipc_ns, ns.inum);
  out->ns_mnt = BPF_CORE_READ(proxy, mnt_ns, ns.inum);
  out->ns_net = BPF_CORE_READ(proxy, net_ns, ns.inum);
  out->ns_uts = BPF_CORE_READ(proxy, uts_ns, ns.inum);
}

// Sends the arguments from `offset` on, as many as go into one record. Returns how many, UNREAD when their memory was
// not there, 0 when the ring was full.
__noinline __u32 send_chunk(__u64 start, __u64 bytes, __u64 offset, __u64 start_ns, __u32 pid) {
  struct de_counters* slot = counter_slot();
  __u32 zero = 0;
  struct chunk* chunk = bpf_map_lookup_elem(&chunks, &zero);
  if (!chunk || offset >= bytes) return 0;
  __u64 left = bytes - offset;
  __u32 length = left < DE_CHUNK_BYTES ? left : DE_CHUNK_BYTES;
  if (bpf_probe_read_user(chunk->data, length, (void*)(start + offset)) != 0) return UNREAD;
  chunk->head.kind = DE_ARGS;
  chunk->head.bytes = sizeof(chunk->head) + length;
  chunk->head.start_ns = start_ns;
  chunk->head.offset = offset;
  chunk->head.pid = pid;
  chunk->head.length = length;
  __sync_fetch_and_add(&slot->happened[DE_ARGS], 1);
  if (bpf_ringbuf_output(&ring, chunk, sizeof(chunk->head) + length, wake_flags(bpf_ktime_get_boot_ns())) == 0)
    return length;
  __sync_fetch_and_add(&slot->dropped[DE_ARGS], 1);
  return 0;
}

// What does not fit into the exec record goes before it, so that whoever reads the exec has everything. Returns how
// much was sent, with UNREAD when memory was not there.
static __always_inline __u32 send_argument_tail(struct de_task* task, __u64 start, __u64 bytes) {
  if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_bytes / 2) {
    __sync_fetch_and_add(&counter_slot()->tails_shed, 1);
    return 0;
  }
  __u32 sent = 0;
  for (int i = 0; i < DE_MAX_CHUNKS; ++i) {
    __u64 offset = DE_ARGS_BYTES + (__u64)i * DE_CHUNK_BYTES;
    if (offset >= bytes) break;
    // A quarter stays free for the exec itself, and for what all others do meanwhile.
    if (bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA) > ring_bytes / 4 * 3) {
      __sync_fetch_and_add(&counter_slot()->tails_shed, 1);
      break;
    }
    __u32 length = send_chunk(start, bytes, offset, task->start_ns, task->pid);
    if (length == UNREAD) return sent | UNREAD;
    sent += length;
    if (length != DE_CHUNK_BYTES) break;
  }
  return sent;
}

SEC("tp_btf/sched_process_exec")
int on_exec(__u64* ctx) {
  struct task_struct* task = (struct task_struct*)ctx[0];
  struct linux_binprm* bprm = (struct linux_binprm*)ctx[2];
  __u32 zero = 0;
  struct scratch* scratch = bpf_map_lookup_elem(&scratches, &zero);
  if (!scratch) return 0;
  struct de_exec* exec = &scratch->exec;
  const struct cred* cred = BPF_CORE_READ(task, real_cred);

  exec->head.kind = DE_EXEC;
  exec->head.time_ns = bpf_ktime_get_boot_ns();
  exec->head.wait_status = 0;
  fill_task(&exec->head.task, task);
  fill_namespaces(exec, task, cred);
  exec->cap_effective = BPF_CORE_READ(cred, cap_effective.val);
  exec->seccomp = 0;
  if (bpf_core_field_exists(task->seccomp)) exec->seccomp = BPF_CORE_READ(task, seccomp.mode);

  struct file* file = BPF_CORE_READ(bprm, file);
  struct inode* inode = BPF_CORE_READ(file, f_inode);
  exec->exe_inode = BPF_CORE_READ(inode, i_ino);
  exec->exe_dev = BPF_CORE_READ(inode, i_sb, s_dev);
  exec->exe_size = BPF_CORE_READ(inode, i_size);
  fill_times(exec, inode);
  exec->exe_mode = BPF_CORE_READ(inode, i_mode);
  exec->exe_uid = BPF_CORE_READ(inode, i_uid.val);
  exec->exe_links = BPF_CORE_READ(inode, i_nlink);
  if (!BPF_CORE_READ(file, f_path.dentry, d_hash.pprev)) exec->head.task.flags |= DE_UNLINKED;
  exec->argc = BPF_CORE_READ(bprm, argc);

  __u32 end =
      append_path(scratch, 0, (__u64)BPF_CORE_READ(file, f_path.mnt), (__u64)BPF_CORE_READ(file, f_path.dentry));
  if (end & CUT) exec->head.task.flags |= DE_PATH_CUT;
  __u32 at = end & ~CUT;
  exec->path_bytes = at;
  struct fs_struct* fs = BPF_CORE_READ(task, fs);
  end = append_path(scratch, at, (__u64)BPF_CORE_READ(fs, pwd.mnt), (__u64)BPF_CORE_READ(fs, pwd.dentry));
  if (end & CUT) exec->head.task.flags |= DE_CWD_CUT;
  exec->cwd_bytes = (end & ~CUT) - at;
  at = end & ~CUT;
  end = append_cgroup(scratch, at, (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp, kn));
  exec->cgroup_bytes = end - at;
  at = end;

  const char* filename = BPF_CORE_READ(bprm, filename);
  if (BPF_CORE_READ(bprm, interp) != filename) exec->head.task.flags |= DE_SCRIPT;
  exec->filename_bytes = 0;
  if (at <= DE_TEXT_BYTES) {
    long got = bpf_probe_read_kernel_str(&scratch->data[at], 2 * NAME_BYTES, filename);
    if (got > 0) {
      exec->filename_bytes = got & 0x3ff;
      at += exec->filename_bytes;
    }
  }

  struct mm_struct* mm = BPF_CORE_READ(task, mm);
  __u64 start = BPF_CORE_READ(mm, arg_start);
  __u64 bytes = BPF_CORE_READ(mm, arg_end) - start;
  exec->args_bytes = bytes;
  exec->args_sent = 0;
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
  if (exec->args_here == DE_ARGS_BYTES && bytes > DE_ARGS_BYTES) {
    __u32 sent = send_argument_tail(&exec->head.task, start, bytes);
    if (sent & UNREAD) exec->head.task.flags |= DE_ARGS_UNREAD;
    exec->args_sent = sent & ~UNREAD;
  }
  __u32 total = sizeof(*exec) + at;
  if (total > sizeof(*scratch)) return 0;
  exec->head.bytes = total;
  send(scratch, total, DE_EXEC, exec->head.time_ns);
  return 0;
}
