// One alert in each of the formats; format.h chooses among them.
//
// Thread: any (pure functions).
#pragma once

#include <string>
#include <string_view>

#include "daemoneye/alert.pb.h"

namespace de::sink {

std::string json_record(const pb::Alert& alert);
// The matching row as a JSON object; a column name that occurs again gets "_2", "_3", ...
std::string json_data(const pb::Alert& alert);

std::string human_record(const pb::Alert& alert);

std::string_view csv_header();
std::string csv_record(const pb::Alert& alert);

std::string cef_record(const pb::Alert& alert);
std::string ecs_record(const pb::Alert& alert);
std::string ocsf_record(const pb::Alert& alert);
std::string stix_record(const pb::Alert& alert);

// "systemd(1) > nginx(100)": oldest first, control characters escaped; empty when nothing is known.
std::string ancestry_text(const pb::Alert& alert);
// "complete", or "degraded: EventsShed (procmond, 12 events); ResultCapped".
std::string completeness_text(const pb::Completeness& completeness);

}  // namespace de::sink
