// What all readers of /proc share, also those that hang in it: a thread that was left behind keeps it alive.
//
// Thread: any; nothing in it changes.
#pragma once

#include <memory>
#include <string>

#include "collect/linux/opener.h"
#include "collect/process_source.h"
#include "daemoneye/base/unique_fd.h"

namespace de::collect {

struct ProcRoot {
  SourceOptions options;
  UniqueFd fd;
  std::string boot_id;
  std::shared_ptr<Opener> opener;
};
using SharedProcRoot = std::shared_ptr<const ProcRoot>;

}  // namespace de::collect
