// What is too long for the record of an exec goes before it in pieces, so that whoever reads the exec has everything.
// Details never take the room of facts: they end before the ring is full.
#pragma once

#include "ring.bpf.h"

// Sends what of `bytes` at `start` begins at `offset`, as much as goes into one record. Returns how much, UNREAD when
// its memory was not there, 0 when the ring has no room for it.
__noinline __u32 send_chunk(struct scratch* scratch, __u32 kind, __u64 start, __u64 bytes, __u64 offset) {
  __u32 zero = 0;
  struct chunk* chunk = bpf_map_lookup_elem(&chunks, &zero);
  if (!scratch || !chunk || offset >= bytes) return 0;
  __u64 left = bytes - offset;
  __u32 length = left < DE_CHUNK_BYTES ? left : DE_CHUNK_BYTES;
  // A quarter stays free for the exec itself, and for what all others do meanwhile.
  __u64 room = kind == DE_ENV ? ring_bytes / 2 : ring_bytes / 4 * 3;
  if (ring_fill() + sizeof(chunk->head) + length > room) return 0;
  if (bpf_probe_read_user(chunk->data, length, (void*)(start + offset)) != 0) return UNREAD;
  chunk->head.kind = kind;
  chunk->head.bytes = sizeof(chunk->head) + length;
  chunk->head.start_ns = scratch->exec.head.task.start_ns;
  chunk->head.offset = offset;
  chunk->head.pid = scratch->exec.head.task.pid;
  chunk->head.length = length;
  return bpf_ringbuf_output(&ring, chunk, sizeof(chunk->head) + length, BPF_RB_NO_WAKEUP) == 0 ? length : 0;
}

static __always_inline void send_argument_tail(struct scratch* scratch, __u64 start, __u64 bytes) {
  struct de_exec* exec = &scratch->exec;
  int shed = shed_level >= DE_LEVEL_ARGUMENTS || ring_fill() > ring_bytes / 2;
  for (int i = 0; i < DE_MAX_CHUNKS && !shed; ++i) {
    __u64 offset = DE_ARGS_BYTES + (__u64)i * DE_CHUNK_BYTES;
    if (offset >= bytes) break;
    __u32 length = send_chunk(scratch, DE_ARGS, start, bytes, offset);
    if (length == UNREAD) {
      exec->head.task.flags |= DE_ARGS_UNREAD;
      break;
    }
    exec->args_sent += length;
    shed = length == 0;
  }
  if (!shed) return;
  exec->shed |= DE_SHED_ARGUMENTS;
  __sync_fetch_and_add(&counter_slot()->tails_shed, 1);
}

// After the arguments, which are worth more.
static __always_inline void send_environment(struct scratch* scratch, __u64 start, __u64 bytes) {
  struct de_exec* exec = &scratch->exec;
  exec->env_bytes = bytes;
  __u64 wanted = bytes < environment_limit ? bytes : environment_limit;
  int shed = wanted > 0 && (shed_level >= DE_LEVEL_ENVIRONMENT || ring_fill() > ring_bytes / 4);
  for (int i = 0; i < DE_MAX_ENV_CHUNKS && !shed; ++i) {
    __u64 offset = (__u64)i * DE_CHUNK_BYTES;
    if (offset >= wanted) break;
    __u32 length = send_chunk(scratch, DE_ENV, start, wanted, offset);
    if (length == UNREAD) break;
    exec->env_sent += length;
    shed = length == 0;
  }
  if (!shed) return;
  exec->shed |= DE_SHED_ENVIRONMENT;
  __sync_fetch_and_add(&counter_slot()->environments_shed, 1);
}
