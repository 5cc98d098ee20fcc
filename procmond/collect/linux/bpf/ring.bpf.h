// The way from the programs to user space: the ring, its counters, and when to wake whoever reads it.
#pragma once

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "event_layout.h"
#include "kernel_types.h"
#include "per_cpu.bpf.h"

#define UNREAD (1u << 30)

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 4 << 20);  // Set before loading.
} ring SEC(".maps");

struct scratch {
  struct de_exec exec;
  char data[DE_TEXT_BYTES + DE_ARGS_BYTES + 4 * 256];
};
struct chunk {
  struct de_args head;
  char data[DE_CHUNK_BYTES];
};
PER_CPU_PLACE(struct scratch, scratches);
PER_CPU_PLACE(struct chunk, chunks);

// Read by user space through shared memory, without a system call.
struct de_counters counters[DE_COUNTER_SLOTS];
// The consumer waits to be woken: set by user space before it waits, and before it looks a last time whether anything
// is in the ring. Racing writers wake it once too often at worst.
__u32 is_asleep;

// What is left out, as enum de_level; set by user space. What the ring itself has no room for is left out at once.
__u32 shed_level;
// The fullest the ring was when something happened, since user space last made it 0.
__u64 ring_peak;

const volatile __u64 ring_bytes = 4 << 20;
const volatile __u32 environment_limit = 0;  // 0: nobody wants environments.

static __always_inline struct de_counters* counter_slot(void) {
  return &counters[bpf_get_smp_processor_id() & (DE_COUNTER_SLOTS - 1)];
}

static __always_inline __u64 ring_fill(void) { return bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA); }

// Before the details of an event, so that a single large one is no pressure.
static __always_inline void note_fill(void) {
  __u64 fill = ring_fill();
  if (fill > ring_peak) ring_peak = fill;
}

// The first event after a pause wakes the consumer at once; the next ones wait for it, as it comes by itself: the
// interrupt that a wake-up takes costs more than the event. After the record, by an empty one: a consumer that falls
// asleep meanwhile either finds the record or is found asleep.
static __always_inline void wake_sleeper(void) {
  if (!is_asleep) return;
  void* nothing = bpf_ringbuf_reserve(&ring, 8, 0);
  if (!nothing) return;  // No room: whoever is next tries again.
  is_asleep = 0;
  bpf_ringbuf_discard(nothing, BPF_RB_FORCE_WAKEUP);
}

static __always_inline void send(void* record, __u64 bytes, __u32 kind) {
  struct de_counters* slot = counter_slot();
  __sync_fetch_and_add(&slot->happened[kind], 1);
  if (bpf_ringbuf_output(&ring, record, bytes, BPF_RB_NO_WAKEUP) != 0) __sync_fetch_and_add(&slot->dropped[kind], 1);
  wake_sleeper();
}
