// Paths, by walking from the file to the root.
#pragma once

#include "ring.bpf.h"

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
