// The list of processes from the iterator; from /proc when the iterator is taken away.
//
// Thread: as ProcessSource.
#pragma once

#include <memory>

#include "collect/linux/proc_root.h"
#include "collect/process_iterator.h"
#include "collect/process_source.h"

namespace de::collect {

std::unique_ptr<ProcessSource> make_iterated_source(SharedProcRoot root, const Clock& clock, TextPool& texts,
                                                    std::unique_ptr<ProcessIterator> iterator,
                                                    std::unique_ptr<ProcessSource> fallback);

}  // namespace de::collect
