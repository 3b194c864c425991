// SPDX-License-Identifier: Apache-2.0
// The single-threaded scheduler, after asyncio's loop: each turn serves due timers and what other threads posted, then runs what was
// ready when the turn began.
#pragma once

#include "platform/futex.hpp"
#include "scheduler/timer_queue.hpp"
#include "task/registry.hpp"

#include <aya/detail/scheduler.hpp>

#include <atomic>

namespace aya::detail {

struct clock_source;

class event_loop final : public scheduler {
public:
    event_loop(runtime_core& owner, clock_source& clock) : scheduler(owner), clock_(clock), registry_(1) {
        context_.home = this;
    }

    void schedule(ready& r) noexcept override;
    /// As asyncio does it: in turn, behind what is ready already.
    void fork(ready& chain) noexcept override;
    [[nodiscard]] time_point now() const noexcept override;
    [[nodiscard]] timer_queue& timers() noexcept override { return timers_; }
    [[nodiscard]] task_registry& registry() noexcept override { return registry_; }

    /// Runs on the calling thread until `done` is set, by a task or another thread that then calls wake().
    void run_until(std::atomic<bool> const& done) noexcept;
    /// Any thread.
    void wake() noexcept { sleep_.unpark(); }

private:
    void take_posted() noexcept;
    void fire_due_timers() noexcept;
    void run_ready() noexcept;
    void sleep(std::atomic<bool> const& done) noexcept;

    clock_source& clock_;
    thread_context context_;
    task_registry registry_;
    timer_queue timers_;
    ready* first_ = nullptr; // ready to run, by `next`; the loop's thread only
    ready** last_ = &first_;
    parker sleep_;
    alignas(64) std::atomic<ready*> posted_{nullptr}; // from other threads, newest first
};

} // namespace aya::detail
