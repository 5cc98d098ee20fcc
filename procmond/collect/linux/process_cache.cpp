#include "collect/linux/process_cache.h"

#include "collect/record_text.h"

namespace de::collect {

void CachedProcess::keep(const ReadTexts& read, const std::optional<FileFacts>& file, TextPool& texts) {
  texts.set(slow, read.slow);
  texts.set(arguments, read.arguments);
  texts.set(environment, read.environment);
  texts.set(image, file ? as_text(*file) : std::string_view());
}

void CachedProcess::recall(std::int64_t boot_time_ms, pb::ProcessRecord& record) const {
  for (const TextPool::Ref* text : {&slow, &arguments, &environment}) merge_text(text->get(), record);
  record.set_process_uid(uid.data(), uid.size());
  if (has_parent) record.set_parent_uid(parent_uid.data(), parent_uid.size());
  record.set_boot_time_ms(boot_time_ms);
  record.set_exec_seq(exec_seq);
  record.set_accessible(!denied);
  if (blocked) {
    record.set_accessible(false);
    record.set_platform_data(R"({"blocked":true})");
  }
  record.set_source(pb::RECORD_SOURCE_SCAN);
}

std::optional<FileKey> CachedProcess::image_key() const {
  const std::optional<FileFacts> facts = facts_of(image);
  return facts ? std::optional(facts->key) : std::nullopt;
}

}  // namespace de::collect
