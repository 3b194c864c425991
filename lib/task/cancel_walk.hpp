// SPDX-License-Identifier: Apache-2.0
// How a cancel request travels: from a task to the tasks that it awaits, and on to those they await, without recursion.
#pragma once

#include <aya/detail/task_state.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace aya::detail {

class cancel_walk {
public:
    explicit cancel_walk(std::string_view message) noexcept : message_(message) {}

    /// Called by suspension::request_cancel for each task that the request goes on to. `waiting` is asked again if the target
    /// turns out to be done; null where the waiting task remembers the request itself.
    void forward(task_state& target, task_state* waiting);

    /// True once the walk has gone so far that it must be running in a circle of tasks that await each other. A wait
    /// that could forward the request ends then instead, which undoes the deadlock.
    [[nodiscard]] bool in_circle() const noexcept { return visits_ > visit_limit_; }

    /// Requests cancellation of `t` and of what it waits for. False if `t` is done already.
    bool run(task_state& t);

    /// The request that was pending when `t` began to wait on `s`: to where it waits, if it still does.
    void deliver(task_state& t, suspension& s);

private:
    struct step {
        state_reference target;
        state_reference waiting;
    };

    bool request(task_state& t, bool count);
    void ask_suspension(task_state& t, std::uint64_t word);
    void visit_forwarded();

    std::string_view message_;
    std::vector<step> steps_; // last one first
    std::size_t visits_ = 0;
    std::size_t visit_limit_ = 1000; // raised to what the number of live tasks explains before a circle is assumed
};

} // namespace aya::detail
