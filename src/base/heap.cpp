#include "daemoneye/base/heap.h"

#include <malloc.h>

namespace de {

void keep_heap_small() {
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 256 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 512 * 1024);
}

void give_back_free_memory() { (void)::malloc_trim(0); }  // Its answer is whether there was any.

}  // namespace de
