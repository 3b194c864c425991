// SPDX-License-Identifier: Apache-2.0
// The single-threaded scheduler, after asyncio's loop: each turn serves due timers and what other threads posted, then runs what was
// ready when the turn began.
#pragma once

#include "executors/step_order.hpp"
#include "platform/futex.hpp"
#include "platform/patience.hpp"
#include "platform/wake_descriptor.hpp"
#include "scheduler/injection_queue.hpp"
#include "scheduler/io_driver.hpp"
#include "scheduler/relaxed_counter.hpp"
#include "scheduler/timer_queue.hpp"
#include "task/registry.hpp"

#include <aya/detail/scheduler.hpp>
#include <aya/metrics.hpp>

#include <atomic>

namespace aya::inline v1::detail {

struct clock_source;

class event_loop final : public scheduler {
public:
    event_loop(runtime_core& owner, bool debug, clock_source& clock)
        : scheduler(owner, debug, registry_), clock_(clock), registry_(1) {
        context_.home = this;
    }
    ~event_loop();

    void schedule(ready& r) noexcept override;
    /// As asyncio does it: in turn, behind what is ready already.
    void fork(ready& chain) noexcept override;
    void fork_child(task_state& child) noexcept override { schedule(child); }
    [[nodiscard]] time_point now() const noexcept override;
    [[nodiscard]] bool is_over(time_point t) const noexcept override;
    [[nodiscard]] timer_queue& timers() noexcept override { return timers_; }

    /// Runs on the calling thread until `done` is set, by a task or another thread that then calls wake().
    void run_until(std::atomic<bool> const& done) noexcept;
    /// As thread_pool's. Any thread.
    void read_metrics(runtime_metrics& m) noexcept;
    [[nodiscard]] bool at_rest() noexcept;
    [[nodiscard]] std::uint64_t steps() const noexcept { return steps_.get(); }

    /// Any thread.
    void wake() noexcept {
        sleep_.unpark();
        if (host_ != nullptr)
            host_->raise();
    }

    /// From now on, the loop waits in `driver`. It outlives the loop. Once, on any thread.
    void attach(io_driver& driver) noexcept {
        driver_.store(&driver);
        wake();
    }

    // For a host that drives the loop. On the loop's thread.
    /// One turn, without a wait. How many steps it took.
    std::size_t run_turn() noexcept;
    /// Turns, and waits in between, until `end` on the runtime's clock or until `stop` is set. How many steps they took.
    std::size_t run_turns_until(time_point end, std::atomic<bool> const& stop) noexcept;
    /// When run_turn() has something to do: time_point::min() for now, time_point::max() for no time.
    [[nodiscard]] time_point next_turn() const noexcept;
    /// Keeps `d` raised while there is something to do. Before any thread knows the loop.
    void attach(wake_descriptor& d) noexcept { host_ = &d; }

    /// From now on `order` chooses the next step, each time anew. While no thread drives the loop.
    void set_order(step_order* order) noexcept { order_ = order; }

private:
    [[nodiscard]] ready& take_chosen() noexcept;
    static void wake_for_timer(void* loop) noexcept;
    void take_posted() noexcept;
    void fire_due_timers() noexcept;
    std::size_t run_ready() noexcept;
    void sleep(std::atomic<bool> const& done, time_point limit) noexcept;
    void park(time_point deadline) noexcept;
    void poll_sockets(std::size_t steps) noexcept;
    void tell_host() noexcept;

    clock_source& clock_;
    thread_context context_;
    task_registry registry_;
    timer_queue timers_{&wake_for_timer, this};
    ready* first_ = nullptr; // ready to run, by `next`; the loop's thread only
    ready** last_ = &first_;
    relaxed_counter steps_;
    relaxed_counter parks_;
    std::atomic<bool> asleep_{false}; // until it is woken
    parker sleep_;
    patience patience_;
    wake_descriptor* host_ = nullptr;
    step_order* order_ = nullptr;
    injection_queue posted_;
    std::atomic<io_driver*> driver_{nullptr}; // null without I/O
    std::size_t steps_unpolled_ = 0;          // since the last look there
    std::atomic<std::uint32_t> posting_{0}; // other threads inside schedule()
};

} // namespace aya::inline v1::detail
