// Programs that lie about themselves after they were executed: the generator, executed again by its oddities.
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/prctl.h>

#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string_view>

#include "modes.h"

namespace de::load {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLie = "/usr/sbin/totally-legit\0--daemon\0"sv;

// Of /proc/self/stat, numbered as in proc(5); 0 when it is not there.
std::uint64_t stat_field(const std::string& stat, int number) {
  std::size_t at = stat.rfind(')');
  for (int field = 2; field < number && at != stat.npos; ++field) at = stat.find(' ', at + 1);
  std::uint64_t out = 0;
  if (at != stat.npos) std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), out);
  return out;
}

// Tells the kernel that our arguments lie elsewhere. Takes no privilege.
bool move_arguments() {
  char* lie = static_cast<char*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (lie == MAP_FAILED) return false;
  std::memcpy(lie, kLie.data(), kLie.size());
  std::ifstream file("/proc/self/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  struct prctl_mm_map map {};
  map.start_code = stat_field(stat, 26);
  map.end_code = stat_field(stat, 27);
  map.start_stack = stat_field(stat, 28);
  map.start_data = stat_field(stat, 45);
  map.end_data = stat_field(stat, 46);
  map.start_brk = stat_field(stat, 47);
  map.brk = reinterpret_cast<std::uintptr_t>(::sbrk(0));
  map.arg_start = reinterpret_cast<std::uintptr_t>(lie);
  map.arg_end = map.arg_start + kLie.size();
  map.env_start = stat_field(stat, 50);
  map.env_end = stat_field(stat, 51);
  map.exe_fd = static_cast<std::uint32_t>(-1);
  return ::prctl(PR_SET_MM, PR_SET_MM_MAP, &map, sizeof map, 0) == 0;
}

// As setproctitle() does. The arguments lie one after the other.
bool overwrite_arguments() {
  std::ifstream file("/proc/self/stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const std::uint64_t begin = stat_field(stat, 48), end = stat_field(stat, 49);
  if (begin == 0 || end <= begin) return false;
  char* at = reinterpret_cast<char*>(begin);  // NOLINT(performance-no-int-to-ptr): the kernel told it.
  std::memset(at, 0, end - begin);
  std::memcpy(at, kLie.data(), std::min<std::size_t>(kLie.size(), end - begin - 1));
  return true;
}

void live_for(int ms) {
  const struct timespec time {
    ms / 1000, ms % 1000 * 1'000'000L
  };
  ::nanosleep(&time, nullptr);
}

int number_in(const std::string& text) {
  int out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

}  // namespace

// load actor moves-arguments|overwrites-arguments|renames-itself NONCE CODE MS
// load actor tree-node TABLE-FD NODE
int act(const std::vector<std::string>& arguments) {
  if (arguments.size() == 3 && arguments[0] == "tree-node") {
    return act_tree_node(number_in(arguments[1]), static_cast<std::uint32_t>(number_in(arguments[2])));
  }
  if (arguments.size() != 4) return 2;
  bool lied = false;
  if (arguments[0] == "moves-arguments") lied = move_arguments();
  if (arguments[0] == "overwrites-arguments") lied = overwrite_arguments();
  if (arguments[0] == "renames-itself") lied = ::prctl(PR_SET_NAME, "kworker/0:1H", 0, 0, 0) == 0;
  live_for(number_in(arguments[3]));
  return lied ? number_in(arguments[2]) : 124;
}

}  // namespace de::load
