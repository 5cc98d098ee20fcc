// What both programs tell about a process, and the way from a file to its path. Whoever includes it has said before
// what a `struct scratch` is: its `data` holds DE_TEXT_BYTES and one name more.
//
// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
// Seen by the BPF compiler only.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "event_layout.h"
#include "kernel_types.h"

#define PF_KTHREAD 0x00200000
#define PIDTYPE_PGID 2
#define PIDTYPE_SID 3
#define NAME_BYTES 256
// Changes no value that occurs; tells the verifier that all rounds of a loop look alike.
#define TEXT_MASK 0x3fff
#define CUT (1u << 30)

static __always_inline __u32 number_of(struct pid* pid) { return pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0; }

// What a program is given as a task may be read like any memory, and all that its pointers lead to: a pointer that
// leads nowhere reads as 0. It costs a twentieth of what asking for a copy does.
static __always_inline void fill_task(struct de_task* out, struct task_struct* task) {
  struct task_struct* leader = task->group_leader;
  struct task_struct* parent = task->real_parent;
  struct task_struct* parent_leader = parent->group_leader;
  const struct cred* cred = task->real_cred;
  struct signal_struct* signal = task->signal;
  struct pid* pid = leader->thread_pid;
  out->start_ns = leader->start_boottime;
  out->parent_start_ns = parent_leader->start_boottime;
  out->pidfs_inode = 0;
  if (bpf_core_field_exists(pid->ino)) out->pidfs_inode = pid->ino;
  out->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
  out->exec_id = task->self_exec_id;
  out->pid = task->tgid;
  out->ppid = parent->tgid;
  out->uid = cred->uid.val;
  out->gid = cred->gid.val;
  out->euid = cred->euid.val;
  out->egid = cred->egid.val;
  out->suid = cred->suid.val;
  out->sgid = cred->sgid.val;
  out->login_uid = ~0u;
  if (bpf_core_field_exists(task->loginuid)) out->login_uid = task->loginuid.val;
  out->pgid = number_of(signal->pids[PIDTYPE_PGID]);
  out->session = number_of(signal->pids[PIDTYPE_SID]);
  out->flags = (task->flags & PF_KTHREAD) ? DE_KERNEL_THREAD : 0;
  if (task->atomic_flags & 1) out->flags |= DE_NO_NEW_PRIVS;
  bpf_core_read(&out->comm, sizeof(out->comm), &task->comm);
}

// The kernel renamed both times twice.
static __always_inline void read_times(struct inode* inode, __s64* mtime_out, __s64* ctime_out) {
  struct inode___middle* middle = (void*)inode;
  struct inode___mtime* old = (void*)inode;
  __s64 mtime, ctime;
  __u32 mtime_ns, ctime_ns;
  if (bpf_core_field_exists(inode->i_mtime_sec)) {
    mtime = inode->i_mtime_sec;
    mtime_ns = inode->i_mtime_nsec;
    ctime = inode->i_ctime_sec;
    ctime_ns = inode->i_ctime_nsec;
  } else if (bpf_core_field_exists(middle->__i_mtime)) {
    mtime = middle->__i_mtime.tv_sec;
    mtime_ns = middle->__i_mtime.tv_nsec;
    ctime = middle->__i_ctime.tv_sec;
    ctime_ns = middle->__i_ctime.tv_nsec;
  } else {
    mtime = old->i_mtime.tv_sec;
    mtime_ns = old->i_mtime.tv_nsec;
    ctime = old->i_ctime.tv_sec;
    ctime_ns = old->i_ctime.tv_nsec;
  }
  *mtime_out = mtime * 1000000000LL + mtime_ns;
  // Newer kernels keep a mark in the highest bit: that somebody has asked for the time.
  *ctime_out = ctime * 1000000000LL + (ctime_ns & 0x7fffffff);
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

// cgroup, ipc, mnt, net, pid, user, uts.
static __always_inline void read_namespaces(struct task_struct* task, __u32* out) {
  struct nsproxy* proxy = task->nsproxy;
  struct pid* pid = task->group_leader->thread_pid;
  unsigned int level = pid->level;
  struct upid upid = {};
  bpf_probe_read_kernel(
      &upid, sizeof(upid),
      (void*)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid));
  out[4] = BPF_CORE_READ(upid.ns, ns.inum);
  out[5] = task->real_cred->user_ns->ns.inum;
  out[0] = proxy->cgroup_ns->ns.inum;
  out[1] = proxy->ipc_ns->ns.inum;
  out[2] = proxy->mnt_ns->ns.inum;
  out[3] = proxy->net_ns->ns.inum;
  out[6] = proxy->uts_ns->ns.inum;
}
