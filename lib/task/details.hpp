// SPDX-License-Identifier: Apache-2.0
// The parts of a task that most tasks do not have.
#pragma once

#include "executors/report_sink.hpp"

#include <aya/detail/task_state.hpp>

#include <memory>
#include <string>

namespace aya::detail {

struct task_state::details {
    std::string name;
    std::string cancel_message;           // of the request that is delivered next
    std::shared_ptr<report_sink> reports; // of a task that failed
};

} // namespace aya::detail
