// The journal's native protocol, read as its documentation says: a datagram, or a sealed file in memory.
#include "courier/local_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <map>

#include "sink/log_record.h"
#include "sink/sample.h"

namespace de::courier {
namespace {

using sink::process_alert;
using Fields = std::map<std::string, std::string>;

// Listens as systemd-journald does.
class Journal {
 public:
  explicit Journal(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  void close() { fd_.reset(); }

  Fields receive() {
    std::string bytes(1UL << 20, '\0');
    iovec part{bytes.data(), bytes.size()};
    alignas(cmsghdr) char room[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room;
    message.msg_controllen = sizeof room;
    const ssize_t got = ::recvmsg(fd_.get(), &message, MSG_DONTWAIT);
    EXPECT_GE(got, 0) << std::strerror(errno);
    const cmsghdr* const head = CMSG_FIRSTHDR(&message);
    came_as_file_ = head != nullptr;
    if (!came_as_file_) return read_fields(bytes.substr(0, static_cast<std::size_t>(std::max<ssize_t>(got, 0))));
    EXPECT_EQ(got, 0) << "either bytes or a file";
    int file = -1;
    std::memcpy(&file, CMSG_DATA(head), sizeof file);
    return read_fields(read_file(UniqueFd(file)));
  }
  bool came_as_file() const { return came_as_file_; }

 private:
  static std::string read_file(const UniqueFd& file) {
    const int seals = ::fcntl(file.get(), F_GET_SEALS);
    EXPECT_EQ(seals & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    struct stat facts {};
    EXPECT_EQ(::fstat(file.get(), &facts), 0);
    std::string out(static_cast<std::size_t>(facts.st_size), '\0');
    EXPECT_EQ(::pread(file.get(), out.data(), out.size(), 0), facts.st_size);
    return out;
  }
  static Fields read_fields(std::string_view bytes) {
    Fields out;
    while (!bytes.empty()) {
      const std::size_t end = bytes.find('\n');
      if (end == bytes.npos) {
        ADD_FAILURE() << "no line feed";
        return out;
      }
      const std::size_t equals = bytes.substr(0, end).find('=');
      std::string name, value;
      if (equals != bytes.npos) {
        name = bytes.substr(0, equals);
        value = bytes.substr(equals + 1, end - equals - 1);
        bytes.remove_prefix(end + 1);
      } else {
        name = bytes.substr(0, end);
        std::uint64_t size = 0;
        std::memcpy(&size, bytes.data() + end + 1, sizeof size);
        value = bytes.substr(end + 9, size);
        EXPECT_EQ(bytes.at(end + 9 + size), '\n');
        bytes.remove_prefix(end + 10 + size);
      }
      // What journald refuses: anything else than capitals, digits and '_', or a '_' in front.
      EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), name.npos) << name;
      EXPECT_TRUE(name[0] >= 'A' && name[0] <= 'Z' && name.size() <= 64) << name;
      EXPECT_TRUE(out.emplace(name, value).second) << name;
    }
    return out;
  }

  UniqueFd fd_;
  bool came_as_file_ = false;
};

std::string text_of(const pb::Alert& alert, std::string_view column) {
  for (const pb::AlertField& field : alert.data())
    if (field.column() == column) return field.value().text();
  return {};
}

TEST(LocalSocket, AnAlertArrivesInTheJournalFieldByField) {
  const test::TempDir dir;
  Journal journal(dir / "socket");
  const auto destination = LocalSocket::open({.path = dir / "socket", .takes_files = true});
  ASSERT_TRUE(destination) << destination.error().message();
  const pb::Alert alert = process_alert();
  ASSERT_TRUE((*destination)->deliver({1, "key", sink::journal_record(sink::Format::Json, alert)}));
  Fields got = journal.receive();
  EXPECT_FALSE(journal.came_as_file());
  EXPECT_EQ(got["MESSAGE"], alert.title());
  EXPECT_EQ(got["MESSAGE_ID"].size(), 32U);
  EXPECT_EQ(got["PRIORITY"], "4");
  EXPECT_EQ(got["SYSLOG_IDENTIFIER"], "daemoneye");
  EXPECT_EQ(got["DAEMONEYE_ID"], alert.id());
  EXPECT_EQ(got["DAEMONEYE_RULE"], "rule|1");
  EXPECT_EQ(got["DAEMONEYE_PID"], "77");
  EXPECT_EQ(got["DAEMONEYE_DESCRIPTION"], alert.description()) << "with its line feeds";
  EXPECT_EQ(got["DAEMONEYE_COMMAND_LINE"], text_of(alert, "command_line"));
  EXPECT_EQ(got["DAEMONEYE_EXECUTABLE"], text_of(alert, "executable_path"));
  EXPECT_EQ(got["DAEMONEYE_ALERT"] + "\n", sink::format_alert(sink::Format::Json, alert));
}

TEST(LocalSocket, WhatIsLargerThanADatagramComesAsASealedFile) {
  const test::TempDir dir;
  Journal journal(dir / "socket");
  const auto destination = LocalSocket::open({.path = dir / "socket", .takes_files = true});
  pb::Alert alert = process_alert();
  sink::add_field(alert, "large").mutable_value()->set_text(std::string(1UL << 20, 'x') + "\n");
  const std::string record = sink::journal_record(sink::Format::Json, alert);
  const Result<> sent = (*destination)->deliver({1, "key", record});
  ASSERT_TRUE(sent) << sent.error().message();
  Fields got = journal.receive();
  EXPECT_TRUE(journal.came_as_file());
  EXPECT_EQ(got["DAEMONEYE_ALERT"] + "\n", sink::format_alert(sink::Format::Json, alert));
  // A syslog daemon would not know what to do with a file.
  const auto syslog = LocalSocket::open({.path = dir / "socket"});
  const Result<> refused = (*syslog)->deliver({1, "key", record});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::TooLarge);
  EXPECT_NE(refused.error().message().find("lower max_bytes"), std::string::npos) << refused.error().message();
}

TEST(LocalSocket, OneThatIsNotThereOrFullIsAFailure) {
  const test::TempDir dir;
  EXPECT_EQ(LocalSocket::open({.path = dir / "socket"}).error().code(), Errc::NotFound);
  EXPECT_EQ(LocalSocket::open({.path = std::string(108, 'x')}).error().code(), Errc::Invalid);
  Journal journal(dir / "socket");
  const auto destination = LocalSocket::open({.path = dir / "socket", .timeout = std::chrono::milliseconds(50)});
  Result<> last;
  for (int i = 0; i < 100'000 && last; ++i) last = (*destination)->deliver({1, "key", "x"});
  ASSERT_FALSE(last) << "nobody reads";
  EXPECT_EQ(last.error().code(), Errc::Timeout);
  journal.close();
  EXPECT_EQ((*destination)->deliver({1, "key", "x"}).error().code(), Errc::Closed);
}

}  // namespace
}  // namespace de::courier
