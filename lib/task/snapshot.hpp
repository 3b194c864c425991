// SPDX-License-Identifier: Apache-2.0
// What one task does at this moment, read while it goes on.
#pragma once

#include <aya/detail/task_state.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <vector>

namespace aya::inline v1::detail {

struct wait_description::awaited_tasks {
    std::vector<state_reference> tasks;
    bool complete = true; // false: there was no memory for all of them
};

struct task_snapshot {
    enum class phase : std::uint8_t {
        ready,   ///< runs, or is queued to run
        waiting, ///< for what `wait` says
        future,  ///< has no coroutine, and nobody has set it yet
        done
    };

    phase now = phase::done;
    bool cancel_pending = false;
    std::uint32_t cancel_requests = 0;
    std::int64_t stepped = wait_description::no_time; ///< in debug mode, when its last step ended, on the runtime's clock
    wait_description wait;
    wait_description::awaited_tasks awaited;
    std::vector<std::source_location> stack; ///< of a waiting task: where its coroutines stand, innermost first
    bool whole_stack = true;
};

class task_inspector {
public:
    /// Deeper stacks are cut off: the task's lock is held meanwhile.
    static constexpr std::size_t deepest_stack = 100;

    /// Any thread; the caller holds a reference. Takes the task's lock for a moment. Throws std::bad_alloc.
    [[nodiscard]] static task_snapshot look(task_state& t);
    /// The coroutines that stand above `innermost`, which is suspended and stays so, or runs on this thread.
    static void walk(std::coroutine_handle<> innermost, task_snapshot& to) noexcept;

    /// Of a task whose step is about to begin on this thread: the co_await that it goes on from.
    [[nodiscard]] static std::source_location resume_place(task_state& t) noexcept;
    /// In debug mode, after each step: the task may wait now, or be done.
    static void note_step(task_state& t, std::int64_t now) noexcept;
    /// In debug mode: an exception leaves a coroutine of `t`, which runs on this thread.
    static void note_failure(task_state& t, std::coroutine_handle<> failed, std::exception_ptr const& error) noexcept;
    /// Of a done task: the coroutines through which the exception came, innermost first, a line each. Empty if that is not known.
    [[nodiscard]] static std::string failure_stack(task_state const& t);
};

} // namespace aya::inline v1::detail
