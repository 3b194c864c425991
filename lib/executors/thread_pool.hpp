// SPDX-License-Identifier: Apache-2.0
// The work-stealing scheduler: a worker a core, each with its own queue and timers.
#pragma once

#include "platform/futex.hpp"
#include "scheduler/fork_deque.hpp"
#include "scheduler/idle_set.hpp"
#include "scheduler/injection_queue.hpp"
#include "scheduler/ready_queue.hpp"
#include "scheduler/timer_queue.hpp"
#include "task/registry.hpp"

#include <aya/detail/scheduler.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace aya::detail {

struct clock_source;

class thread_pool final : public scheduler {
public:
    /// Starts the workers. Throws std::system_error when not even one thread can be had.
    thread_pool(runtime_core& owner, std::size_t workers, clock_source& clock);
    /// Runs what is queued, then stops and joins the workers. Not on a worker.
    ~thread_pool();

    void schedule(ready& r) noexcept override;
    void fork(ready& chain) noexcept override;
    [[nodiscard]] time_point now() const noexcept override;
    [[nodiscard]] timer_queue& timers() noexcept override;
    [[nodiscard]] task_registry& registry() noexcept override { return registry_; }

    [[nodiscard]] std::size_t worker_count() const noexcept { return workers_.size(); }

private:
    struct alignas(64) worker : thread_context {
        worker(bool shared) : queue(shared) {}

        ready_queue queue; // woken tasks
        fork_deque forked; // forked work
        timer_queue timers;
        parker sleep;
        std::uint32_t tick = 0;
        std::uint32_t random = 0;
        duration watch_period{};
        std::uint32_t unanswered = 0; // pushes since it last called for help
        bool called = false;          // woken to help, and has found nothing yet
        bool watched_long = false;    // its watch period is over: what waits now has waited
        bool steals_pay = true;       // the last theft was worth its while
        std::size_t stolen = 0;       // how many tasks it stole last, until that is known
        time_point stolen_at{};
        std::thread thread;
    };

    void run_worker(worker& w) noexcept;
    [[nodiscard]] ready* next(worker& w) noexcept;
    [[nodiscard]] ready* search(worker& w) noexcept;
    [[nodiscard]] ready* steal(worker& w) noexcept;
    [[nodiscard]] ready* take_injected(worker& w) noexcept;
    bool fire_due_timers(bool of_all, worker& w) noexcept;
    [[nodiscard]] bool anything_to_steal(worker const& w) const noexcept;
    void sleep(worker& w) noexcept;
    bool advance_virtual_time() noexcept;
    void help_wanted(worker& w) noexcept;
    void wake_one(bool need_watcher) noexcept;
    void helped(worker& w, bool found) noexcept;
    static void note_theft(worker& w, std::size_t tasks) noexcept;
    void judge_theft(worker& w) noexcept;
    [[nodiscard]] time_point next_deadline() const noexcept;

    clock_source& clock_;
    task_registry registry_;
    idle_set idle_;
    injection_queue injected_;
    timer_queue foreign_timers_; // armed by threads that are no workers
    std::vector<std::unique_ptr<worker>> workers_;
    // How often in a row helpers came for nothing, as an exponent: work that is over before a helper arrives should not call one.
    std::atomic<std::uint32_t> fruitless_{0};
    std::atomic<bool> stopping_{false};
};

} // namespace aya::detail
