// SPDX-License-Identifier: Apache-2.0
// The parts of a task that most tasks do not have.
#pragma once

#include "executors/elsewhere.hpp"
#include "executors/report_sink.hpp"
#include "platform/stack_trace.hpp"

#include <aya/detail/task_state.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

namespace aya::inline v1::detail {

struct task_state::details {
    std::string name;
    std::string cancel_message;           // of the request that is delivered next
    std::shared_ptr<report_sink> reports; // of a task that failed
    std::shared_ptr<callback_hub> callbacks; // of a future, which may outlive its runtime
    std::optional<stack_trace> created;      // in debug mode
    std::int64_t stepped = wait_description::no_time; // in debug mode, when the last step ended
    std::exception_ptr failure;              // in debug mode, the last exception that left one of its coroutines,
    std::vector<std::source_location> failure_stack; // and where those stood
    std::vector<placement> homes;            // the schedulers of executors that it has run on
};

} // namespace aya::inline v1::detail
