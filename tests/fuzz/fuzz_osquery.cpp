// Any text as a query or pack of osquery's: it is translated or refused with a reason. What is translated reads no
// table of the agent's that the dialect does not serve, and errors of SQLite stay errors of the statement.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemoneye/base/clock.h"
#include "daemoneye/osquery/dialect.h"
#include "mirror/session.h"
#include "packs/convert.h"

namespace {

de::mirror::Session& fuzz_session() {
  static const auto kSession = [] {
    auto made = de::mirror::Session::create(de::mirror::Origin::Rule, de::system_clock());
    if (!made) std::abort();
    return std::move(*made);
  }();
  return *kSession;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto translated = de::osquery::from_osquery(text)) {
    const auto statement = fuzz_session().validate(*translated);
    if (!statement && statement.error().code() == de::Errc::Io) __builtin_trap();
    if (statement)
      for (const std::string& table : statement->tables)
        if (table == "alerts" || table == "scans" || table == "processes.history") __builtin_trap();
  } else if (translated.error().message().empty()) {
    __builtin_trap();
  }
  for (const char* name : {"x.sql", "x.conf"}) {
    const auto queries = de::packs::read_queries(name, text);
    if (!queries) continue;
    if (queries->size() > de::packs::kMaxQueries) __builtin_trap();
    for (const auto& query : *queries) (void)de::packs::convert(query, {});  // Refused, as a rule.
  }
  return 0;
}
