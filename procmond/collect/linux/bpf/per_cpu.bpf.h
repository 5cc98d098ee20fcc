// A place for what is too large for a program's stack: one for each processor, filled anew each time.
//
// Seen by the BPF compiler only.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define PER_CPU_PLACE(of, name)              \
  struct {                                   \
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
    __uint(max_entries, 1);                  \
    __type(key, __u32);                      \
    __type(value, of);                       \
  } name SEC(".maps")
