#include "serve/reply_rows.h"

#include <fcntl.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <stdlib.h>

#include <array>

namespace de::serve {
namespace {

// A field of a message: what a reader of the whole finds there.
void begin_field(int number, std::size_t bytes, std::string& out) {
  using Lite = google::protobuf::internal::WireFormatLite;
  using Coded = google::protobuf::io::CodedOutputStream;
  std::array<std::uint8_t, 10> head{};  // Two numbers of 32 bits.
  std::uint8_t* end = Coded::WriteTagToArray(Lite::MakeTag(number, Lite::WIRETYPE_LENGTH_DELIMITED), head.data());
  end = Coded::WriteVarint32ToArray(static_cast<std::uint32_t>(bytes), end);
  out.append(head.begin(), head.begin() + (end - head.data()));
}

Result<UniqueFd> make_file(const std::string& directory) {
  std::string path = directory + "/answer-XXXXXX";
  UniqueFd file(::mkostemp(path.data(), O_CLOEXEC));
  if (!file) return fail(Errc::Io, "make a file for a large answer in " + directory, last_os_error());
  ::unlink(path.c_str());
  return file;
}

}  // namespace

bool ReplyRows::add(const pb::Row& row) {
  if (!outcome_) return false;
  const std::size_t bytes = row.ByteSizeLong();
  if (bytes > kMaxRowBytes) {
    outcome_ = fail(Errc::TooLarge, "row " + std::to_string(count_ + 1) + " has " + std::to_string(bytes) +
                                        " bytes, more than an answer can carry; select fewer columns or use substr()");
    return false;
  }
  if (bytes > kPageBytes) outcome_ = end_page();
  begin_field(pb::RowPage::kRowsFieldNumber, bytes, rows_);
  row.AppendToString(&rows_);
  ++count_;
  if (outcome_ && rows_.size() >= kPageBytes) outcome_ = end_page();
  return outcome_.has_value();
}

Result<> ReplyRows::end_page() {
  if (rows_.empty()) return {};
  std::string page;
  begin_field(pb::ControlReply::kPageFieldNumber, rows_.size(), page);
  page += rows_;
  rows_.clear();
  const bool has_room = bytes_ + page.size() <= kInMemoryBytes || file_dir_.empty();
  bytes_ += page.size();
  if (!has_room) return put_away(page);
  pages_.push_back(std::move(page));
  return {};
}

Result<> ReplyRows::put_away(const std::string& page) {
  if (!file_) {
    DE_TRY(file, make_file(file_dir_));
    file_ = std::move(file);
  }
  for (std::size_t done = 0; done < page.size();) {
    const ssize_t written = ::write(file_.get(), page.data() + done, page.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const bool full = errno == ENOSPC || errno == EDQUOT;
      return fail(full ? Errc::Exhausted : Errc::Io, "no room for so large an answer in " + file_dir_, last_os_error());
    }
    done += static_cast<std::size_t>(written);
  }
  page_sizes_.push_back(page.size());
  return {};
}

Result<std::string> ReplyRows::take_back(std::size_t bytes) {
  std::string page(bytes, '\0');
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t got = ::pread(file_.get(), page.data() + done, bytes - done, static_cast<off_t>(read_bytes_ + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return fail(Errc::Io, "read a large answer in " + file_dir_, last_os_error());
    done += static_cast<std::size_t>(got);
  }
  read_bytes_ += bytes;
  return page;
}

Result<std::optional<std::string>> ReplyRows::next_page() {
  if (!rows_.empty()) DE_CHECK(end_page());  // The last one.
  if (!pages_.empty()) {
    std::optional<std::string> page = std::move(pages_.front());
    pages_.pop_front();
    return page;
  }
  if (page_sizes_.empty()) return std::nullopt;
  const std::size_t bytes = page_sizes_.front();
  page_sizes_.pop_front();
  DE_TRY(page, take_back(bytes));
  return std::optional<std::string>(std::move(page));
}

}  // namespace de::serve
