// SPDX-License-Identifier: Apache-2.0
// How a cancel request travels: from a task to the tasks that it awaits, and on to those they await, without recursion.
#pragma once

#include <aya/detail/task_state.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace aya::inline v1::detail {

class cancel_walk {
public:
    explicit cancel_walk(std::string_view message, bool for_scope = false) noexcept : message_(message), for_scope_(for_scope) {}

    /// Called by suspension::request_cancel before it forwards the request to `tasks` tasks. False when memory is short: the wait must
    /// end then, as in a circle, so that the request is not lost.
    [[nodiscard]] bool make_room(std::size_t tasks) noexcept;
    /// For each task that the request goes on to. `waiting` is asked again if the target turns out to be done; null where the
    /// waiting task remembers the request itself.
    void forward(task_state& target, task_state* waiting) noexcept;

    [[nodiscard]] std::string_view message() const noexcept { return message_; }

    /// True while the walk asks a task that it has come from: tasks await each other in a circle. A wait that would forward the
    /// request ends then instead, which undoes the deadlock.
    [[nodiscard]] bool in_circle() const noexcept { return in_circle_; }

    /// Requests cancellation of `t` and of what it waits for. False if `t` is done already, or ends before the request has found a place.
    bool run(task_state& t);

    /// The request that was pending when `t` began to wait on `s`: to where it waits, if it still does.
    void deliver(task_state& t, suspension& s);

private:
    struct step {
        state_reference target;
        state_reference waiting;
        std::size_t depth; // on the way from the first task
    };

    bool request(task_state& t, bool count);
    void ask_suspension(task_state& t, std::uint64_t word);
    void visit_forwarded();
    void ask_again(state_reference waiting);
    [[nodiscard]] bool closes_circle(task_state& t, std::size_t depth) noexcept;

    std::string_view message_;
    bool for_scope_; // of the first task
    std::vector<step> steps_; // last one first
    std::size_t depth_ = 0; // of the task that is asked
    std::vector<state_reference> path_; // those that wait, from the first task down to the one above the step; null where the wait remembers
    // Brent's cycle detection (1980) along the current path: a task that is met again deeper is its own ancestor. It begins at a
    // depth that programs without a circle rarely reach.
    static constexpr std::size_t first_checkpoint = 1024;
    task_state* checkpoint_ = nullptr;
    std::size_t checkpoint_depth_ = 0;
    bool in_circle_ = false;
    bool too_late_ = false; // the first task has ended under way
    bool delivers_ = false; // the first task has been promised already that the request will be found
    // In deliver(), all that were asked: the last reference to one runs foreign code, destructors and handlers, for which the first task, which
    // does not resume before the request has arrived, must not wait.
    bool keeps_ = false;
    std::vector<state_reference> kept_;
};

} // namespace aya::inline v1::detail
