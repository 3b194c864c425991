// SPDX-License-Identifier: Apache-2.0
// The steps that run at this moment in a runtime in debug mode, for the watchdog.
#pragma once

#include <aya/detail/spin_lock.hpp>
#include <aya/detail/task_state.hpp>

#include <chrono>
#include <cstdint>
#include <mutex>
#include <source_location>
#include <vector>

namespace aya::inline v1::detail {

/// One step. Lives on the stack of the thread that runs it.
struct running_step {
    static constexpr std::uint32_t no_worker = ~std::uint32_t{0}; // a thread of an executor, or the event loop's

    state_reference task; // empty for a callback
    std::source_location resumed; // where the task was suspended before
    std::uint32_t worker = no_worker;
    std::chrono::steady_clock::time_point begin;
    bool reported = false; // under the lock
    running_step* next = nullptr;
    running_step* previous = nullptr;
};

class step_watch {
public:
    void add(running_step& s) noexcept {
        std::lock_guard const guard(mutex_);
        s.next = first_;
        if (first_ != nullptr)
            first_->previous = &s;
        first_ = &s;
    }
    void remove(running_step& s) noexcept {
        std::lock_guard const guard(mutex_);
        (s.previous == nullptr ? first_ : s.previous->next) = s.next;
        if (s.next != nullptr)
            s.next->previous = s.previous;
    }

    struct overdue_step {
        state_reference task;
        std::source_location resumed;
        std::uint32_t worker;
        std::chrono::duration<double> taken;
    };
    /// Those that have run for `limit` or longer, each once.
    [[nodiscard]] std::vector<overdue_step> overdue(std::chrono::nanoseconds limit) {
        std::vector<overdue_step> found;
        auto const now = std::chrono::steady_clock::now();
        std::lock_guard const guard(mutex_);
        for (running_step* s = first_; s != nullptr; s = s->next) {
            if (s->reported || now - s->begin < limit)
                continue;
            found.push_back({s->task, s->resumed, s->worker, now - s->begin});
            s->reported = true;
        }
        return found;
    }

private:
    spin_lock mutex_;
    running_step* first_ = nullptr;
};

} // namespace aya::inline v1::detail
