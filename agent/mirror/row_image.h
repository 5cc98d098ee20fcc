// An image made of rows given by column name: the test data of rules.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemoneye/base/result.h"
#include "mirror/image.h"
#include "mirror/value.h"

namespace de::mirror {

using NamedRow = std::vector<std::pair<std::string, Value>>;

// Columns that a row does not name are NULL; rows without a pid get the next free one from 1,000,000 on. The scan-wide
// columns may be given too, with one value for all rows; otherwise scan_id is 1 and the collection time is `now_ms`.
// Errors: Invalid (unknown column, a value of the wrong type, a pid twice), Exhausted, Io.
Result<std::shared_ptr<const Image>> image_from_rows(std::span<const NamedRow> rows, std::int64_t now_ms);

}  // namespace de::mirror
