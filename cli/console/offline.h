// The commands that need no agent: they read files that may have been copied here from elsewhere.
//
// Thread: any.
#pragma once

#include "console/answer.h"
#include "console/command.h"
#include "daemoneye/config/config.h"

namespace de::console {

// Verifies the whole ledger; the verdict is a row of `answer`. VerificationFailed when it does not hold together.
ExitCode verify_ledger(const AuditVerifyCommand& command, const config::Paths& paths, Answer& answer,
                       const Streams& streams);
// The newest entries, of what verifies.
ExitCode tail_ledger(const AuditTailCommand& command, const config::Paths& paths, Answer& answer,
                     const Streams& streams);

}  // namespace de::console
