// SPDX-License-Identifier: Apache-2.0
// What the library needs of any executor: that it runs a piece of work once.
#pragma once

#include <aya/detail/task_state.hpp>

namespace aya::inline v1::detail {

class runtime_core;
class scheduler;

class executor_base {
public:
    /// Runs `r` once, on a thread of the executor's choice, later or at once. What it cannot take, it refuses. Any thread.
    virtual void submit(ready& r) noexcept = 0;

    /// The scheduler of `runtime`, if that is what this executor stands for.
    [[nodiscard]] virtual scheduler* scheduler_of(runtime_core const&) noexcept { return nullptr; }

    executor_base(executor_base const&) = delete;
    executor_base& operator=(executor_base const&) = delete;
    virtual ~executor_base() = default;

protected:
    executor_base() = default;
};

/// For an executor that runs what it is given at once: runs `r`; except for the step of a task, whose waker may stand in the middle of
/// anything: that goes to the runtime's own scheduler, and runs there.
void run_at_once(ready& r) noexcept;

/// For an executor that cannot take `r`, or drops it: runs it here and now, and tells it that it is refused, so that it ends, or goes elsewhere,
/// and is not lost. `why` is a literal.
void refuse(ready& r, char const* why) noexcept;

/// For the first thing that the work does: why its executor refused it; null when it did not.
[[nodiscard]] char const* take_refusal() noexcept;

} // namespace aya::inline v1::detail
