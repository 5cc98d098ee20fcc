// A STIX 2.1 bundle, one line: the host (identity), the rule (indicator), what was seen (observed-data with processes,
// files and an account), and that it was seen (sighting).
//
// The same alert gives the same bundle, byte for byte: every id is a UUIDv5. Observables that the specification gives
// contributing properties have the ids that other producers give them too.
#include <algorithm>
#include <set>

#include "daemoneye/base/clock.h"
#include "daemoneye/base/utf8.h"
#include "daemoneye/crypto/uuid.h"
#include "daemoneye/schema/alert_columns.h"
#include "sink/format.h"
#include "sink/json_object.h"
#include "sink/process_facts.h"
#include "sink/record_text.h"

namespace de::sink {
namespace {

// 00abedb4-aa42-466c-9c01-fed23315a9b7, of the specification (2.9), for observables only.
constexpr crypto::Uuid kObservableNames = {0x00, 0xab, 0xed, 0xb4, 0xaa, 0x42, 0x46, 0x6c,
                                           0x9c, 0x01, 0xfe, 0xd2, 0x33, 0x15, 0xa9, 0xb7};
// 7c1d0f2e-5b0a-4f6e-9a63-1d2a8f4be0c7, ours, for everything else.
constexpr crypto::Uuid kOwnNames = {0x7c, 0x1d, 0x0f, 0x2e, 0x5b, 0x0a, 0x4f, 0x6e,
                                    0x9a, 0x63, 0x1d, 0x2a, 0x8f, 0x4b, 0xe0, 0xc7};
// Of what has no time of its own. An object that comes again must not say that it was created at another time.
constexpr std::string_view kAlways = "2026-01-01T00:00:00.000Z";
constexpr std::uint64_t kMostSightings = 999'999'999;

// As RFC 8785 writes strings: what ids of observables are made from.
void append_canonical(std::string& out, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  constexpr std::string_view kShort = "\b\t\n\f\r\"\\";
  constexpr std::string_view kShortNames = "btnfr\"\\";
  out += '"';
  for (const char c : to_valid_utf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (const std::size_t at = kShort.find(c); at != kShort.npos) {
      out += '\\';
      out += kShortNames[at];
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

// Members have to be added in the order of their names.
class Contribution {
 public:
  void text(std::string_view name, std::string_view value) {
    begin(name);
    append_canonical(out_, value);
  }
  void sha256(std::string_view value) {
    begin("hashes");
    out_ += "{\"SHA-256\":\"" + std::string(value) + "\"}";
  }
  std::string take() && { return "{" + std::move(out_) + "}"; }

 private:
  void begin(std::string_view name) {
    if (!out_.empty()) out_ += ',';
    out_ += '"' + std::string(name) + "\":";
  }
  std::string out_;
};

std::string stix_id(std::string_view type, const crypto::Uuid& names, std::string_view name) {
  return std::string(type) + "--" + crypto::to_text(crypto::uuid_v5(names, name));
}

// With the type in it: two objects of different types must not share a UUID.
std::string own_id(const std::string& type, std::string_view name) {
  return stix_id(type, kOwnNames, type + ":" + std::string(name));
}

class StixBundle {
 public:
  // Appends the object unless it is there already, and tells its id.
  template <class Fill>
  std::string add(std::string_view type, std::string id, const Fill& fill) {
    if (!ids_.insert(id).second) return id;
    if (!objects_.empty()) objects_ += ',';
    JsonObject object(objects_);
    object.text("type", type);
    object.text("spec_version", "2.1");
    object.text("id", id);
    fill(object);
    object.close();
    return id;
  }
  std::string take(std::string_view id) && {
    std::string out;
    JsonObject bundle(out);
    bundle.text("type", "bundle");
    bundle.text("id", id);
    bundle.key("objects") += "[" + std::move(objects_) + "]";
    bundle.close();
    return out += '\n';
  }

 private:
  std::string objects_;
  std::set<std::string> ids_;
};

struct StixTimes {
  std::string created;
  std::string modified;
  std::string first;
  std::string last;
};

StixTimes stix_times(const pb::Alert& alert) {
  const std::int64_t raised = printable_ms(alert.alert_time_ms());
  const std::int64_t first = alert.first_seen_ms() > 0 ? printable_ms(alert.first_seen_ms()) : raised;
  const std::int64_t last = std::max(first, alert.last_seen_ms() > 0 ? printable_ms(alert.last_seen_ms()) : raised);
  const auto text = [](std::int64_t unix_ms) { return std::string(to_iso8601(unix_ms).text); };
  return {text(raised), text(std::max(raised, last)), text(first), text(last)};
}

std::string add_stix_host(StixBundle& bundle, const pb::Alert& alert) {
  const std::string host = alert.host().empty() ? "unknown" : alert.host();
  return bundle.add("identity", own_id("identity", host), [&](JsonObject& identity) {
    identity.text("created", kAlways);
    identity.text("modified", kAlways);
    identity.text("name", host);
    identity.text("identity_class", "system");
  });
}

// The rule. What it asks stays on the host; whoever has the rule finds it by name and digest.
std::string add_stix_rule(StixBundle& bundle, const pb::Alert& alert, const std::string& host) {
  const std::string name = alert.rule_id().empty() ? "unknown" : alert.rule_id();
  const std::string version =
      alert.rule_digest().empty() ? std::to_string(alert.rule_generation()) : alert.rule_digest();
  const std::string id = own_id("indicator", host + "\n" + name + "\n" + version);
  return bundle.add("indicator", id, [&](JsonObject& indicator) {
    indicator.text("created_by_ref", host);
    indicator.text("created", kAlways);
    indicator.text("modified", kAlways);
    indicator.text("name", name);
    append_json_texts(indicator.key("indicator_types"), std::vector<std::string>{"anomalous-activity"});
    indicator.text("pattern", name);
    indicator.text("pattern_type", "daemoneye-rule");
    indicator.text("pattern_version", version);
    indicator.text("valid_from", kAlways);
    indicator.text_if("x_daemoneye_rule_author", alert.rule_author());
    indicator.text_if("x_daemoneye_rule_license", alert.rule_license());
    indicator.text_if("x_daemoneye_rule_source", alert.rule_source());
  });
}

// Empty: there is nothing to tell of it.
std::string add_stix_file(StixBundle& bundle, std::string_view path, const std::string& sha256,
                          std::vector<std::string>& seen) {
  const std::string_view name = file_name(path);
  if (name.empty() && sha256.empty()) return {};
  std::string directory;
  if (const std::string_view above = directory_of(path); !above.empty() && !name.empty()) {
    Contribution key;
    key.text("path", above);
    directory = bundle.add("directory", stix_id("directory", kObservableNames, std::move(key).take()),
                           [&](JsonObject& object) { object.text("path", above); });
    seen.push_back(directory);
  }
  Contribution key;
  if (!sha256.empty()) key.sha256(sha256);
  if (!name.empty()) key.text("name", name);
  if (!directory.empty()) key.text("parent_directory_ref", directory);
  std::string id = stix_id("file", kObservableNames, std::move(key).take());
  seen.push_back(bundle.add("file", id, [&](JsonObject& file) {
    if (!sha256.empty()) file.object("hashes", [&](JsonObject& hashes) { hashes.text("SHA-256", sha256); });
    file.text_if("name", name);
    file.text_if("parent_directory_ref", directory);
  }));
  return id;
}

std::string add_stix_account(StixBundle& bundle, const ProcessFacts& facts, std::vector<std::string>& seen) {
  if (facts.user_id.empty() && facts.user_name.empty()) return {};
  Contribution key;
  if (!facts.user_name.empty()) key.text("account_login", facts.user_name);
  key.text("account_type", "unix");
  if (!facts.user_id.empty()) key.text("user_id", facts.user_id);
  std::string id = stix_id("user-account", kObservableNames, std::move(key).take());
  seen.push_back(bundle.add("user-account", id, [&](JsonObject& account) {
    account.text_if("user_id", facts.user_id);
    account.text_if("account_login", facts.user_name);
    account.text("account_type", "unix");
  }));
  return id;
}

// Oldest first: what is referred to comes before what refers. Tells the parent.
std::string add_stix_ancestors(StixBundle& bundle, const pb::Alert& alert, std::vector<std::string>& seen) {
  std::string parent;
  for (int i = alert.ancestry_size() - 1; i >= 0; --i) {
    const pb::Ancestor& ancestor = alert.ancestry(i);
    const std::string image = add_stix_file(bundle, ancestor.executable_path(), {}, seen);
    const std::string name = alert.id() + "\n" + std::to_string(i) + "\n" + std::to_string(ancestor.pid());
    parent = bundle.add("process", own_id("process", name), [&](JsonObject& process) {
      process.number("pid", ancestor.pid());
      process.text_if("image_ref", image);
      process.text_if("parent_ref", parent);
      process.text_if("x_daemoneye_name", ancestor.name());
      process.text_if("x_daemoneye_process_uid", uid_of(ancestor));
    });
    seen.push_back(parent);
  }
  return parent;
}

void add_stix_process(StixBundle& bundle, const pb::Alert& alert, std::vector<std::string>& seen) {
  const ProcessFacts facts = process_facts(alert);
  if (!facts.is_known) return;
  const std::string parent = add_stix_ancestors(bundle, alert, seen);
  const std::string image = add_stix_file(bundle, facts.executable_path, facts.sha256, seen);
  const std::string account = add_stix_account(bundle, facts, seen);
  // Of a process the specification names no contributing properties; of two alerts with other columns it is not the
  // same object either.
  seen.push_back(bundle.add("process", own_id("process", alert.id()), [&](JsonObject& process) {
    if (facts.pid) process.number("pid", *facts.pid);
    if (facts.start_ms) process.time("created_time", *facts.start_ms);
    process.text_if("cwd", facts.cwd);
    // Where a rule selects nothing but the identity there still is one property, as there must be.
    if (!facts.command_line.empty() || !facts.pid) process.text("command_line", facts.command_line);
    process.text_if("creator_user_ref", account);
    process.text_if("image_ref", image);
    process.text_if("parent_ref", parent);
    process.text_if("x_daemoneye_name", facts.name);
    process.text_if("x_daemoneye_process_uid", facts.uid);
  }));
}

std::string add_stix_observation(StixBundle& bundle, const pb::Alert& alert, const std::string& host,
                                 const StixTimes& times) {
  std::vector<std::string> seen;
  add_stix_process(bundle, alert, seen);
  if (seen.empty()) return {};
  std::ranges::sort(seen);
  const auto again = std::ranges::unique(seen);
  seen.erase(again.begin(), again.end());
  return bundle.add("observed-data", own_id("observed-data", alert.id()), [&](JsonObject& observed) {
    observed.text("created_by_ref", host);
    observed.text("created", times.created);
    observed.text("modified", times.modified);
    observed.text("first_observed", times.first);
    observed.text("last_observed", times.last);
    observed.number("number_observed", std::clamp<std::uint64_t>(alert.count(), 1, kMostSightings));
    append_json_texts(observed.key("object_refs"), seen);
  });
}

void write_stix_own(JsonObject& sighting, const pb::Alert& alert) {
  sighting.text("x_daemoneye_severity", schema::to_text(alert.severity()));
  sighting.text("x_daemoneye_title", alert.title());
  sighting.text_if("x_daemoneye_category", alert.category());
  sighting.text("x_daemoneye_completeness", completeness_text(alert.completeness()));
  sighting.text_if("x_daemoneye_dedupe_key", alert.dedupe_key());
  // As a text: names of columns are no names that a dictionary of the specification may have.
  sighting.text("x_daemoneye_data", json_data(alert));
}

}  // namespace

std::string stix_record(const pb::Alert& alert) {
  StixBundle bundle;
  const StixTimes times = stix_times(alert);
  const std::string host = add_stix_host(bundle, alert);
  const std::string rule = add_stix_rule(bundle, alert, host);
  const std::string observation = add_stix_observation(bundle, alert, host, times);
  bundle.add("sighting", own_id("sighting", alert.id()), [&](JsonObject& sighting) {
    sighting.text("created_by_ref", host);
    sighting.text("created", times.created);
    sighting.text("modified", times.modified);
    sighting.text_if("description", alert.description());
    sighting.text("first_seen", times.first);
    sighting.text("last_seen", times.last);
    sighting.number("count", std::min<std::uint64_t>(alert.count(), kMostSightings));
    sighting.text("sighting_of_ref", rule);
    if (!observation.empty()) append_json_texts(sighting.key("observed_data_refs"), std::vector{observation});
    append_json_texts(sighting.key("where_sighted_refs"), std::vector{host});
    if (alert.tags_size() > 0) append_json_texts(sighting.key("labels"), alert.tags());
    if (!alert.id().empty()) {
      std::string& out = sighting.key("external_references");
      out += "[{\"source_name\":\"daemoneye\",\"external_id\":";
      append_json_text(out, alert.id());
      out += "}]";
    }
    write_stix_own(sighting, alert);
  });
  return std::move(bundle).take(own_id("bundle", alert.id()));
}

}  // namespace de::sink
