#include "collect/linux/opener_answer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "collect/linux/exe_file.h"
#include "collect/linux/proc_dir.h"
#include "collect/linux/proc_stat.h"
#include "collect/linux/proc_status.h"

namespace de::collect {
namespace {

constexpr std::uint32_t kMaxDescriptors = 1'048'576;  // fs.nr_open; counting stops there.
constexpr std::size_t kMaxStat = 4096;
// O_NONBLOCK: whatever else the name may lead to, opening it does not wait.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

int errno_of(const Error& error) {
  if (error.code() == Errc::NotFound) return ENOENT;
  return error.code() == Errc::Denied ? EACCES : EIO;
}

template <class T>
void put(Packet& out, const T& value) {
  const auto* bytes = reinterpret_cast<const char*>(&value);
  out.bytes.insert(out.bytes.end(), bytes, bytes + sizeof value);
}

void refuse(int error, Packet& out) { put(out, AnswerHead{error, 0}); }

ToldFile told(const Result<FileFacts>& facts) {
  ToldFile out;
  if (facts) {
    out.facts = *facts;
  } else {
    out.error = errno_of(facts.error());
  }
  return out;
}

// A process's directory and the numbers in its stat. Errors: NotFound, Denied, Io.
struct Found {
  ProcDir dir;
  ToldSigns signs;
};
Result<Found> find(int proc_fd, std::uint32_t pid) {
  DE_TRY(dir, ProcDir::open(proc_fd, pid));
  std::string buffer;
  DE_TRY(text, dir.read("stat", buffer, kMaxStat));
  DE_TRY(stat, parse_proc_stat(text));
  Found out{std::move(dir), {}};
  out.signs.start_ticks = stat.start_ticks;
  out.signs.start_code = stat.start_code;
  out.signs.start_stack = stat.start_stack;
  return out;
}

std::int64_t count_descriptors(const ProcDir& dir) {
  struct stat facts {};
  // Since 6.2 the size of the directory is the number of open descriptors; before it is 0.
  if (::fstatat(dir.fd(), "fd", &facts, 0) == 0 && facts.st_size > 0) return facts.st_size;
  const Result<std::uint32_t> counted = dir.count("fd", kMaxDescriptors);
  return counted ? std::int64_t{*counted} : -1;
}

ToldUse use_of(const ProcDir& dir, std::uint32_t parts) {
  ToldUse out;
  if ((parts & kTellDescriptors) != 0) out.descriptors = count_descriptors(dir);
  if ((parts & kTellIo) == 0) return out;
  std::string buffer;
  const Result<std::string_view> text = dir.read("io", buffer, kMaxStat);
  if (!text) return out;
  const std::optional<ProcIo> io = parse_proc_io(*text);
  if (!io) return out;
  out.read_bytes = io->read_bytes;
  out.written_bytes = io->write_bytes;
  out.has_io = 1;
  return out;
}

void add_signs(Found& found, std::uint32_t use) {
  found.signs.image = told(facts_at(found.dir.fd(), "exe"));
  found.signs.use = use_of(found.dir, use);
}

void tell_signs(int proc_fd, std::span<const AskedProcess> asked, std::uint32_t use, Packet& out) {
  put(out, AnswerHead{0, static_cast<std::uint32_t>(asked.size())});
  for (const AskedProcess& process : asked) {
    Result<Found> found = find(proc_fd, process.pid);
    if (found) add_signs(*found, use);
    put(out, found ? found->signs : ToldSigns());
  }
}

void tell_use(int proc_fd, std::span<const AskedProcess> asked, std::uint32_t use, Packet& out) {
  put(out, AnswerHead{0, static_cast<std::uint32_t>(asked.size())});
  for (const AskedProcess& process : asked) {
    const Result<Found> found = find(proc_fd, process.pid);
    put(out, found ? ToldUseOf{found->signs.start_ticks, use_of(found->dir, use)} : ToldUseOf());
  }
}

void tell_facts(Found& found, bool image_only, std::uint32_t use, Packet& out) {
  const ProcDir& dir = found.dir;
  ToldFacts facts;
  std::array<std::string, kLinks> links;
  if (image_only) {
    found.signs.image = told(facts_at(found.dir.fd(), "exe"));
  } else {
    add_signs(found, use);
  }
  facts.signs = found.signs;
  facts.link_errors.fill(ENOENT);
  for (std::size_t i = 0; i < (image_only ? 1 : kLinks); ++i) {
    Result<std::string> link = dir.link(kLinkNames[i]);
    if (link) {
      links[i] = std::move(*link).substr(0, kMaxTextBytes);
      facts.link_errors[i] = 0;
    } else {
      facts.link_errors[i] = errno_of(link.error());
    }
    facts.link_bytes[i] = static_cast<std::uint32_t>(links[i].size());
  }
  for (std::size_t i = 0; !image_only && i < kNamespaceCount; ++i) facts.namespaces[i] = dir.inode(kNamespaceNames[i]);
  const std::string& exe = links[0];
  facts.literal = exe.empty() ? ToldFile{ENOENT, 0, {}} : told(facts_at(AT_FDCWD, exe.c_str()));
  facts.original = facts.literal;
  if (exe.ends_with(kDeleted))
    facts.original = told(facts_at(AT_FDCWD, exe.substr(0, exe.size() - kDeleted.size()).c_str()));
  put(out, AnswerHead{0, 1});
  put(out, facts);
  for (const std::string& link : links) out.bytes.insert(out.bytes.end(), link.begin(), link.end());
}

void tell_files(const ProcDir& dir, std::uint32_t from, Packet& out) {
  const auto descriptors = dir.numbers("fd", from, kMaxToldFiles + 1);
  if (!descriptors) return refuse(errno_of(descriptors.error()), out);
  ToldFiles head;
  std::vector<char> links;
  std::size_t told = 0;
  for (const std::uint32_t descriptor : *descriptors) {
    if (told == kMaxToldFiles || links.size() >= kMaxFilesBytes) {
      head.next = descriptor;
      break;
    }
    ++told;
    const Result<std::string> text = dir.link(("fd/" + std::to_string(descriptor)).c_str());
    if (!text && text.error().code() == Errc::NotFound) continue;  // Closed in the meantime.
    const ToldLink link{descriptor, text ? 0 : errno_of(text.error()),
                        static_cast<std::uint32_t>(text ? std::min(text->size(), kMaxTextBytes) : 0)};
    const auto* bytes = reinterpret_cast<const char*>(&link);
    links.insert(links.end(), bytes, bytes + sizeof link);
    if (text) links.insert(links.end(), text->data(), text->data() + link.bytes);
  }
  put(out, AnswerHead{0, 1});
  put(out, head);
  out.bytes.insert(out.bytes.end(), links.begin(), links.end());
}

void open_below(const ProcDir& dir, const char* name, Packet& out) {
  UniqueFd fd(::openat(dir.fd(), name, kOpenFlags));
  if (!fd) return refuse(errno, out);
  put(out, AnswerHead{0, 0});
  out.fd = std::move(fd);
}

// Looked at first: opening what is no program could set off what a device or a pipe does.
void open_program(const std::string& path, Packet& out) {
  const UniqueFd found(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat facts {};
  if (!found || ::fstat(found.get(), &facts) != 0) return refuse(errno, out);
  if (!S_ISREG(facts.st_mode) || (facts.st_mode & 0111) == 0) return refuse(EACCES, out);
  UniqueFd fd(::open(path.c_str(), kOpenFlags));
  struct stat opened {};
  if (!fd || ::fstat(fd.get(), &opened) != 0) return refuse(errno, out);
  if (opened.st_dev != facts.st_dev || opened.st_ino != facts.st_ino) return refuse(ENOENT, out);
  put(out, AnswerHead{0, 0});
  out.fd = std::move(fd);
}

void answer_one(int proc_fd, const ParsedRequest& request, Packet& out) {
  const AskedProcess& asked = request.processes[0];
  Result<Found> found = find(proc_fd, asked.pid);
  if (!found) return refuse(errno_of(found.error()), out);
  if (found->signs.start_ticks != asked.start_ticks) return refuse(ENOENT, out);  // The pid is another's now.
  if (request.ask == Ask::Facts || request.ask == Ask::Image)
    return tell_facts(*found, request.ask == Ask::Image, request.use, out);
  if (request.ask == Ask::Files) return tell_files(found->dir, asked.from, out);
  open_below(found->dir, request.ask == Ask::Executable ? "exe" : "environ", out);
}

bool takes_many(Ask ask) { return ask == Ask::Signs || ask == Ask::Use; }
bool takes_use(Ask ask) { return takes_many(ask) || ask == Ask::Facts; }

}  // namespace

std::optional<ParsedRequest> parse_request(std::span<const char> request) {
  OpenerRequest head;
  if (request.size() < sizeof head) return std::nullopt;
  std::memcpy(&head, request.data(), sizeof head);
  const std::span<const char> rest = request.subspan(sizeof head);
  ParsedRequest out{head.ask, head.count, head.use, {}, {}};
  if (head.use > (takes_use(head.ask) ? kTellAllUse : 0)) return std::nullopt;
  switch (head.ask) {
    case Ask::Program:
      if (head.count != 0 || head.path_bytes > kMaxTextBytes || rest.size() != head.path_bytes) return std::nullopt;
      out.path.assign(rest.data(), rest.size());
      if (!out.path.starts_with('/') || out.path.find('\0') != out.path.npos) return std::nullopt;
      return out;
    case Ask::Signs:
    case Ask::Facts:
    case Ask::Image:
    case Ask::Executable:
    case Ask::Environment:
    case Ask::Use:
    case Ask::Files:
      if (head.path_bytes != 0 || head.count == 0 || head.count > (takes_many(head.ask) ? kMaxAsked : 1))
        return std::nullopt;
      if (rest.size() != head.count * sizeof(AskedProcess)) return std::nullopt;
      std::memcpy(out.processes.data(), rest.data(), rest.size());
      return out;
  }
  return std::nullopt;  // A number nobody has given a meaning.
}

bool answer(int proc_fd, std::span<const char> request, Packet& out) {
  out.bytes.clear();
  out.fd.reset();
  const std::optional<ParsedRequest> parsed = parse_request(request);
  if (!parsed) return false;
  if (parsed->ask == Ask::Program) {
    open_program(parsed->path, out);
  } else if (parsed->ask == Ask::Signs) {
    tell_signs(proc_fd, std::span(parsed->processes).first(parsed->count), parsed->use, out);
  } else if (parsed->ask == Ask::Use) {
    tell_use(proc_fd, std::span(parsed->processes).first(parsed->count), parsed->use, out);
  } else {
    answer_one(proc_fd, *parsed, out);
  }
  return true;
}

}  // namespace de::collect
