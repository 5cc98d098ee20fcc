#include "mirror/charge.h"

#include <sqlite3.h>

#include <cstdlib>
#include <cstring>
#include <ctime>

namespace de::mirror {
namespace {

// In front of every block; as large as the strictest alignment, so that what follows stays aligned.
constexpr std::size_t kPrefixBytes = alignof(std::max_align_t) > sizeof(std::size_t) ? alignof(std::max_align_t)
                                                                                     : sizeof(std::size_t);
// A look at the clock costs about 20 ns, an allocation about as much: once in so many keeps it invisible.
constexpr unsigned kCallsPerClockLook = 64;
constexpr std::size_t kBytesPerClockLook = 64UL << 10;

// Thread-local because SQLite's allocator interface carries no context; set and cleared by ChargeScope only.
thread_local Charge* active_charge = nullptr;

std::size_t size_of(const void* block) {
  std::size_t bytes = 0;
  std::memcpy(&bytes, static_cast<const char*>(block) - kPrefixBytes, sizeof bytes);
  return bytes;
}

// Asks for `more` bytes on top of what is charged.
bool admit(std::size_t more) {
  Charge* charge = active_charge;
  if (charge == nullptr) return true;
  if (charge->used_bytes + more > charge->limit_bytes) {
    charge->over_memory = true;
    return false;
  }
  // Preparing a statement runs no progress handler; its allocations are the only place to stop it. Once late, all are
  // refused: json_valid() takes a refused one for bad JSON and goes on.
  if (charge->over_time || (++charge->calls % kCallsPerClockLook == 0 && charge->is_late())) return false;
  charge->used_bytes += more;
  return true;
}

void give_back(std::size_t bytes) {
  // Blocks from before the scope may be freed inside it: that is no credit.
  if (Charge* charge = active_charge) charge->used_bytes -= bytes < charge->used_bytes ? bytes : charge->used_bytes;
}

void* allocate(int bytes) {
  const auto size = static_cast<std::size_t>(bytes);
  if (!admit(size)) return nullptr;
  char* raw = static_cast<char*>(std::malloc(size + kPrefixBytes));
  if (raw == nullptr) {
    give_back(size);
    return nullptr;
  }
  std::memcpy(raw, &size, sizeof size);
  return raw + kPrefixBytes;
}

void release(void* block) {
  if (block == nullptr) return;
  give_back(size_of(block));
  std::free(static_cast<char*>(block) - kPrefixBytes);
}

void* reallocate(void* block, int bytes) {
  const auto size = static_cast<std::size_t>(bytes);
  const std::size_t before = size_of(block);
  if (size > before && !admit(size - before)) return nullptr;
  char* raw = static_cast<char*>(std::realloc(static_cast<char*>(block) - kPrefixBytes, size + kPrefixBytes));
  if (raw == nullptr) {
    if (size > before) give_back(size - before);
    return nullptr;
  }
  if (size < before) give_back(before - size);
  std::memcpy(raw, &size, sizeof size);
  return raw + kPrefixBytes;
}

int usable_size(void* block) { return static_cast<int>(size_of(block)); }
int round_up(int bytes) { return (bytes + 7) & ~7; }
int start(void*) { return SQLITE_OK; }
void stop(void*) {}

int initialise() {
  static const sqlite3_mem_methods kMethods = {allocate, release, reallocate, usable_size,
                                               round_up, start,   stop,       nullptr};
  if (const int rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &kMethods); rc != SQLITE_OK) return rc;
  if (const int rc = sqlite3_initialize(); rc != SQLITE_OK) return rc;
  sqlite3_hard_heap_limit64(kHardHeapBytes);
  return SQLITE_OK;
}

}  // namespace

std::int64_t thread_cpu_ns() {
  timespec used{};
  (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec;
}

bool Charge::is_late() {
  if (!over_time && is_unwanted != nullptr) over_time = is_unwanted->load(std::memory_order_relaxed);
  if (over_time) return true;
  const std::int64_t now_ns = clock->steady_ns();
  if (now_ns < deadline_ns) return false;
  over_time = now_ns >= patience_ns || thread_cpu_ns() >= cpu_deadline_ns;
  return over_time;
}

bool Charge::is_late_for(std::size_t bytes) {
  unlooked_bytes += bytes;
  if (unlooked_bytes < kBytesPerClockLook) return over_time;
  unlooked_bytes = 0;
  return is_late();
}

ChargeScope::ChargeScope(Charge& charge) : outer_(active_charge) { active_charge = &charge; }
ChargeScope::~ChargeScope() { active_charge = outer_; }

Charge* current_charge() { return active_charge; }

Result<> prepare_library() {
  static const int rc = initialise();
  if (rc != SQLITE_OK) return fail(Errc::Io, std::string("set up SQLite: ") + sqlite3_errstr(rc));
  return {};
}

}  // namespace de::mirror
