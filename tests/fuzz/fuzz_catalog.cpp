// Any Envelope of a collector: what it describes is refused with a reason, or is such that every table can be named in
// SQL as it is, whoever tells it; rows that do not fit it are refused and leave nothing behind.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "catalog/catalog.h"
#include "daemoneye/broker.pb.h"
#include "mirror/mirror.h"
#include "mirror/session.h"

namespace {

de::mirror::Session& catalog_session() {
  static const auto kSession = [] {
    auto made = de::mirror::Session::create(de::mirror::Origin::Rule, de::system_clock());
    if (!made) std::abort();
    return std::move(*made);
  }();
  return *kSession;
}

// Another set of tables each time.
std::shared_ptr<const de::mirror::ForeignTables> numbered(const de::mirror::ForeignTables& tables) {
  static std::uint64_t generation = 0;
  auto out = std::make_shared<de::mirror::ForeignTables>(tables);
  out->generation = ++generation;
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  de::pb::Envelope message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  de::catalog::Catalog catalog(de::system_clock(), {100, 1UL << 20});
  const de::pb::SchemaDescriptor& schema = message.hello().schema();
  for (const bool owns_processes : {true, false}) {
    const auto good = catalog.check("fuzz", owns_processes, schema);
    if (!good && good.error().what().empty()) __builtin_trap();
    if (!good) continue;
    catalog.join("fuzz", owns_processes, schema);
    static const auto kEmpty = *de::mirror::empty_image();
    if (!catalog_session().load(de::mirror::with_foreign(*kEmpty, numbered(*catalog.tables())))) __builtin_trap();
    for (const auto& table : catalog.tables()->tables)
      if (!catalog_session().validate("SELECT * FROM " + table.info->name)) __builtin_trap();
    for (const auto& info : catalog.tables()->tables) {
      de::pb::TableRows rows = message.publish().table_rows();
      rows.set_table(info.info->name);
      (void)catalog.take("fuzz", std::move(rows));  // Refused, as a rule.
    }
    if (catalog.counts().bytes > (2UL << 20)) __builtin_trap();
    catalog.leave("fuzz");
  }
  return 0;
}
