#include "collect/shed.h"

#include <algorithm>

namespace de::collect {

const char* to_text(Shedding level) {
  switch (level) {
    case Shedding::Environment:
      return "environments";
    case Shedding::Hashes:
      return "environments and hashes";
    case Shedding::Arguments:
      return "environments, hashes and argument tails";
    case Shedding::Nothing:
      break;
  }
  return "nothing";
}

bool has_shed(pb::Shed part, const pb::ProcessRecord& record) {
  return std::find(record.shed().begin(), record.shed().end(), part) != record.shed().end();
}

void add_shed(pb::Shed part, pb::ProcessRecord& record) {
  if (!has_shed(part, record)) record.add_shed(part);
}

void drop_shed(pb::Shed part, pb::ProcessRecord& record) {
  auto& shed = *record.mutable_shed();
  shed.erase(std::remove(shed.begin(), shed.end(), part), shed.end());
}

}  // namespace de::collect
