// A result that was found here, as rows for the same rendering that the agent's get.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "console/answer.h"
#include "daemoneye/control.pb.h"

namespace de::console {

pb::Value text_value(std::string_view text);
pb::Value number_value(std::uint64_t number);

// Whole and complete. A failed output is the answer's to judge.
void present(Answer& answer, std::span<const std::string_view> names, const std::vector<pb::Row>& rows);

}  // namespace de::console
