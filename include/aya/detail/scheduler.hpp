// SPDX-License-Identifier: Apache-2.0
// What tasks need of the executor they run on. thread_pool and event_loop implement it, in lib/.
#pragma once

#include <aya/detail/task_pointer.hpp>
#include <aya/detail/task_state.hpp>
#include <aya/time.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>

namespace aya::inline v1::detail {

struct fork_lane;
class runtime_core;
class task_registry;
class timer_queue;

class scheduler {
public:
    /// Queues `r` to run once: behind what the calling thread queued here before. Any thread.
    virtual void schedule(ready& r) noexcept = 0;

    /// Queues the chain (by `next`, first one to run first) that a gather forks, or a parent whose children have ended. Workers run such
    /// work depth first, before what was woken. Any thread.
    virtual void fork(ready& chain) noexcept = 0;

    /// The same for one new task of a group, whose parent goes on beside it; schedules it where tasks start in the order of their creation.
    virtual void fork_child(task_state& child) noexcept = 0;

    /// Monotonic or virtual time. Any thread.
    [[nodiscard]] virtual time_point now() const noexcept = 0;
    /// Whether `t` is over; cheaper than now() for what lies well ahead. Any thread.
    [[nodiscard]] virtual bool is_over(time_point t) const noexcept = 0;

    /// The timers that the calling thread should use; any thread, though a worker's own are the cheapest.
    [[nodiscard]] virtual timer_queue& timers() noexcept = 0;

    [[nodiscard]] task_registry& registry() const noexcept { return *registry_; }

    /// The runtime around this scheduler: its other pools and its exception handler.
    [[nodiscard]] runtime_core& owner() const noexcept { return *owner_; }

    [[nodiscard]] bool debug() const noexcept { return debug_; }
    /// Whether each step goes by runtime_core::run_watched(): debug mode, histograms, a trace. May change at any time. Of base().
    [[nodiscard]] bool watched() const noexcept {
        // Relaxed: from some step on, soon after it is set.
        return watched_.load(std::memory_order_relaxed);
    }
    void watch(bool on) noexcept { watched_.store(on, std::memory_order_relaxed); }

    /// Whether its tasks run on an executor outside (lib/executors/elsewhere.hpp); then only their steps can be scheduled here.
    [[nodiscard]] bool is_elsewhere() const noexcept { return base_ != this; }
    /// The runtime's own scheduler.
    [[nodiscard]] scheduler& base() const noexcept { return *base_; }

    scheduler(scheduler const&) = delete;
    scheduler& operator=(scheduler const&) = delete;

protected:
    scheduler(runtime_core& owner, bool debug, task_registry& registry) noexcept
        : owner_(&owner), base_(this), registry_(&registry), debug_(debug) {}
    /// One that runs tasks of the runtime of `base` elsewhere.
    explicit scheduler(scheduler& base) noexcept
        : owner_(base.owner_), base_(&base), registry_(base.registry_), debug_(base.debug_) {}
    ~scheduler() = default;

private:
    runtime_core* owner_;
    scheduler* base_;
    task_registry* registry_;
    bool debug_;
    std::atomic<bool> watched_{false};
};

/// What a thread that runs tasks knows of itself.
struct thread_context {
    scheduler* home = nullptr;
    task_pointer current;             // the task whose step runs, null between steps
    task_pointer ended;               // the task whose outermost coroutine has just left its result there, and goes now
    std::coroutine_handle<> transfer; // what runs next in the current step, in trampoline builds
    std::uint32_t index = 0;          // of the worker in its pool
    fork_lane* forks = nullptr;       // of a worker of a thread pool: gathers fork here
    std::uint32_t eager_depth = 0;    // steps that run inside the current one
};

/// What this_thread() gives. Read directly only in functions that no coroutine can have inlined.
[[gnu::tls_model("initial-exec")]] extern constinit thread_local thread_context* current_thread;

/// The calling thread's context, or null outside every scheduler. Never inlined: a thread-local address that a compiler
/// keeps across a suspension would be another thread's.
[[nodiscard]] thread_context* this_thread() noexcept;

/// Runs `task` from `h` until it suspends or ends, and whoever it transfers to.
void run_step(thread_context& here, task_pointer task, std::coroutine_handle<> h) noexcept;

/// The calling thread's scheduler. Throws invalid_state_error outside one; `what` names the caller.
[[nodiscard]] scheduler& this_scheduler(char const* what);

/// The running task. Throws invalid_state_error outside one; `what` names the caller.
[[nodiscard]] task_state& this_task(char const* what);

} // namespace aya::inline v1::detail
