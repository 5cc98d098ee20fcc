/* The program that the load generator starts: no libc, nothing to load, over in microseconds.
 *
 * What it does is told by a list of numbers, "CODE,MS,SIGNAL,FD,EXECS", in its first environment variable "L=..." or
 * else in argv[2]; what is missing is 0, and FD none. It lives for MS milliseconds, executes argv[0] again EXECS times
 * with the last number counted down, reports to FD what it was executed with, and ends by SIGNAL or with CODE.
 *
 * The report: pid, number of arguments, bytes of the path, 0 (32 bits each), bytes of the arguments (64 bits), then the
 * path of /proc/self/exe and the arguments with their NULs, as they lie in memory.
 */
#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

typedef long word;

#if defined(__x86_64__)
static word call(word number, word a, word b, word c, word d) {
  word out;
  register word r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(out) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return out;
}
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call begin\n");
#elif defined(__aarch64__)
static word call(word number, word a, word b, word c, word d) {
  register word x8 __asm__("x8") = number;
  register word x0 __asm__("x0") = a;
  register word x1 __asm__("x1") = b;
  register word x2 __asm__("x2") = c;
  register word x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
__asm__(
    ".globl _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x0, sp\n"
    "  bl begin\n");
#else
#error "the load generator's child knows x86-64 and aarch64"
#endif

enum { kCode, kMs, kSignal, kFd, kExecs, kNumbers };

void begin(word* stack);

static void read_numbers(const char* text, word* numbers) {
  for (int i = 0; i < kNumbers && *text != 0; ++i) {
    if (*text >= '0' && *text <= '9') numbers[i] = 0;
    for (; *text >= '0' && *text <= '9'; ++text) numbers[i] = numbers[i] * 10 + (*text - '0');
    if (*text != ',') return;
    ++text;
  }
}

static void write_all(word fd, const char* from, uint64_t count) {
  while (count > 0) {
    const word wrote = call(__NR_write, fd, (word)from, (word)count, 0);
    if (wrote <= 0) return;
    from += wrote;
    count -= (uint64_t)wrote;
  }
}

static void report(word fd, word argc, char** argv) {
  static char path[4096];
  struct {
    uint32_t pid, argc, path_bytes, zero;
    uint64_t argv_bytes;
  } head = {0};
  head.pid = (uint32_t)call(__NR_getpid, 0, 0, 0, 0);
  head.argc = (uint32_t)argc;
  const word length = call(__NR_readlinkat, -100, (word) "/proc/self/exe", (word)path, sizeof path);
  head.path_bytes = length > 0 ? (uint32_t)length : 0;
  if (argc > 0) {
    const char* end = argv[argc - 1];
    while (*end != 0) ++end;
    head.argv_bytes = (uint64_t)(end + 1 - argv[0]);
  }
  write_all(fd, (const char*)&head, sizeof head);
  write_all(fd, path, head.path_bytes);
  if (argc > 0) write_all(fd, argv[0], head.argv_bytes);
}

/* Writes "CODE,0,SIGNAL,,EXECS" anew: every image of one process has arguments of its own. */
static void execute_again(char** argv, char** envp, const word* numbers) {
  static char text[64];
  const word left[kNumbers] = {numbers[kCode], numbers[kMs], numbers[kSignal], -1, numbers[kExecs] - 1};
  char* at = text;
  for (int i = 0; i < kNumbers; ++i) {
    char digits[24];
    int count = 0;
    for (word rest = left[i]; rest > 0 || (count == 0 && rest == 0); rest /= 10) digits[count++] = (char)('0' + rest % 10);
    while (count > 0) *at++ = digits[--count];
    if (i + 1 < kNumbers) *at++ = ',';
  }
  argv[2] = text;
  call(__NR_execve, (word)argv[0], (word)argv, (word)envp, 0);
}

__attribute__((noreturn, used)) void begin(word* stack) {
  const word argc = stack[0];
  char** argv = (char**)(stack + 1);
  char** envp = argv + argc + 1;
  word numbers[kNumbers] = {0, 0, 0, -1, 0};
  if (envp[0] != NULL && envp[0][0] == 'L' && envp[0][1] == '=') {
    read_numbers(envp[0] + 2, numbers);
  } else if (argc > 2) {
    read_numbers(argv[2], numbers);
  }
  if (argc > 2 && numbers[kExecs] > 0) {
    execute_again(argv, envp, numbers);
    numbers[kCode] = 127;
  }
  if (numbers[kFd] >= 0) report(numbers[kFd], argc, argv);
  if (numbers[kMs] > 0) {
    const word time[2] = {numbers[kMs] / 1000, numbers[kMs] % 1000 * 1000000};
    call(__NR_nanosleep, (word)time, 0, 0, 0);
  }
  if (numbers[kSignal] > 0) call(__NR_kill, call(__NR_getpid, 0, 0, 0, 0), numbers[kSignal], 0, 0);
  for (;;) call(__NR_exit_group, numbers[kCode], 0, 0, 0);
}
