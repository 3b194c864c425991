// SPDX-License-Identifier: Apache-2.0
// The work-stealing scheduler: a worker a core, each with its own queue and timers.
#pragma once

#include "platform/futex.hpp"
#include "platform/patience.hpp"
#include "scheduler/idle_set.hpp"
#include "scheduler/injection_queue.hpp"
#include "scheduler/io_driver.hpp"
#include "scheduler/ready_queue.hpp"
#include "scheduler/relaxed_counter.hpp"
#include "scheduler/step_pace.hpp"
#include "scheduler/timer_queue.hpp"
#include "task/registry.hpp"

#include <aya/detail/fork_lane.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/metrics.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace aya::inline v1::detail {

struct clock_source;
class thread_setup;

class thread_pool final : public scheduler {
public:
    /// Starts the workers; lazy ones, when they are first woken. Throws std::system_error when there are not enough threads.
    thread_pool(runtime_core& owner, bool debug, std::size_t workers, bool lazy, thread_setup const& setup, clock_source& clock);
    /// Runs what is queued, then stops and joins the workers. Not on a worker.
    ~thread_pool();

    void schedule(ready& r) noexcept override;
    void fork(ready& chain) noexcept override;
    void fork_child(task_state& child) noexcept override;
    [[nodiscard]] time_point now() const noexcept override;
    [[nodiscard]] bool is_over(time_point t) const noexcept override;
    [[nodiscard]] timer_queue& timers() noexcept override;

    [[nodiscard]] std::size_t worker_count() const noexcept { return workers_.size(); }

    /// Figures for runtime::metrics(), and for the watchdog. Any thread.
    void read_metrics(runtime_metrics& m) noexcept;
    /// Nothing runs, nothing is ready, and no timer is armed: only somebody outside can go on.
    [[nodiscard]] bool at_rest() noexcept;
    /// Any thread.
    [[nodiscard]] std::uint64_t steps() const noexcept;
    /// Workers that have a thread. Any thread.
    [[nodiscard]] std::size_t running_workers() const noexcept;

    /// For a thread that is about to wait for a task: starts the first worker if it could not be started before. Throws std::system_error.
    void require_worker();

    /// From now on, the watcher waits in `driver`. It outlives the pool. Once, on any thread.
    void attach(io_driver& driver) noexcept;

private:
    struct alignas(64) worker : thread_context {
        static_assert(fork_lane::sleeping_mask == idle_set::sleeping_mask);
        static constexpr duration shortest_watch = std::chrono::microseconds(100);
        static constexpr duration longest_watch = std::chrono::milliseconds(2);
        // Measured with an echo server: what it costs to wake a helper, and what a task loses that moves to another core with its socket.
        static constexpr duration wake_cost = std::chrono::microseconds(15);
        static constexpr duration move_cost = std::chrono::microseconds(3);
        static constexpr duration long_step = step_pace::assumed; // so it is, as long as nothing is known
        static constexpr duration start_pause = std::chrono::milliseconds(100); // after a thread could not be started

        worker(bool shared, idle_set const& idle) : queue(shared), lane(shared, idle.word()) { forks = &lane; }

        ready_queue queue; // woken tasks
        fork_lane lane;    // forked work
        timer_queue timers;
        parker sleep;
        patience for_answers; // of calls on other threads
        relaxed_counter steps;
        std::uint32_t random = 0;
        duration watch_period{};
        std::uint32_t unanswered = 0; // pushes since it last called for help
        bool called = false;          // woken to help, and has found nothing yet
        bool watched_long = false;    // its watch period is over: what waits now has waited
        time_point looked_long{};     // when it looked last after such a period
        std::uint64_t steps_seen = 0; // of all workers, when it last fell asleep
        step_pace pace;               // noted where there is I/O
        bool in_driver = false;       // asleep there, and waking tasks
        bool steals_pay = true;       // the last theft was worth its while
        std::size_t stolen = 0;       // how many tasks it stole last, until that is known
        time_point stolen_at{};
        relaxed_counter steals;
        relaxed_counter stolen_in_all;
        relaxed_counter parks;
        relaxed_counter time_asleep; // in nanoseconds
        std::atomic<std::int64_t> awake_since{0}; // its thread's start; 0 before
        std::atomic<std::int64_t> asleep_since{0}; // 0 while it is awake
        bool started = false; // belongs to who took the worker from the sleepers
        std::thread thread;   // while the pool runs, under starting_
    };

    void run_worker(worker& w, bool woken) noexcept;
    void start(worker& w, bool woken);
    [[nodiscard]] bool start_late(worker& w) noexcept;
    [[nodiscard]] ready* next(worker& w) noexcept;
    [[nodiscard]] static ready* next_own(worker& w) noexcept;
    [[nodiscard]] ready* search(worker& w) noexcept;
    [[nodiscard]] ready* steal(worker& w) noexcept;
    [[nodiscard]] ready* await_answer(worker& w) noexcept;
    [[nodiscard]] ready* take_injected(worker& w) noexcept;
    bool fire_due_timers(bool of_all, worker& w) noexcept;
    [[nodiscard]] bool anything_to_steal(worker const& w) const noexcept;
    void poll_sockets(worker& w) noexcept;
    void sleep(worker& w) noexcept;
    [[nodiscard]] bool may_guard(worker& w) const noexcept;
    static void note_pace(worker& w) noexcept;
    void park(worker& w, time_point deadline, io_driver* driver) noexcept;
    void awake(worker& w) noexcept;
    bool advance_virtual_time() noexcept;
    friend struct fork_lane;
    void push(worker& w, ready& r) noexcept;
    [[nodiscard]] bool watched_over(worker& w) noexcept;
    void help_wanted(worker& w) noexcept;
    void keep_watched(worker const& w) noexcept;
    void wake_one(bool need_watcher) noexcept;
    static void wake_for_timer(void* pool) noexcept;
    void helped(worker& w, bool found) noexcept;
    void note_theft(worker& w, std::size_t tasks) noexcept;
    void park_there(worker& w, time_point deadline, io_driver* driver) noexcept;
    void judge_theft(worker& w) noexcept;
    [[nodiscard]] time_point next_deadline() const noexcept;

    clock_source& clock_;
    thread_setup const& setup_;
    bool const lazy_;
    task_registry registry_;
    idle_set idle_;
    injection_queue injected_;
    timer_queue foreign_timers_{&wake_for_timer, this}; // armed by threads that are no workers
    std::atomic<io_driver*> driver_{nullptr};           // null without I/O
    std::vector<std::unique_ptr<worker>> workers_;
    // How often in a row helpers came for nothing, as an exponent: work that is over before a helper arrives should not call one.
    std::atomic<std::uint32_t> fruitless_{0};
    // Foreign threads inside schedule(); above those bits, how often one has been there.
    static constexpr std::uint64_t one_post = (std::uint64_t{1} << 24) + 1;
    static constexpr std::uint64_t posting_mask = (std::uint64_t{1} << 24) - 1;
    std::atomic<std::uint64_t> posting_{0};
    std::atomic<std::uint64_t> overflowed_{0}; // what a full queue had no room for
    std::atomic<std::uint64_t> accepted_{0};   // taken from the injection queue
    std::atomic<bool> stopping_{false};
    std::mutex starting_; // held while a lazy worker's thread is started
    std::atomic<std::size_t> running_{0}; // lazy workers that have a thread
    std::atomic<time_point> start_again_{time_point()}; // no thread before then, after a failure
};

} // namespace aya::inline v1::detail
