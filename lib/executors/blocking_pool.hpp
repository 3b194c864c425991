// SPDX-License-Identifier: Apache-2.0
// Threads for calls that block. They are started when a job finds no idle one, up to a limit, and end after idling.
#pragma once

#include "platform/futex.hpp"
#include "platform/patience.hpp"

#include <aya/detail/executor_base.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/metrics.hpp>
#include <aya/time.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace aya::inline v1::detail {

class thread_setup;

class blocking_pool final : public executor_base {
public:
    /// `setup`: of the runtime that the pool belongs to, or null.
    blocking_pool(std::size_t max_threads, duration idle_time, thread_setup const* setup);
    ~blocking_pool() override;

    /// Runs what is queued, waits for every thread, and refuses work from now on.
    void shut_down();

    /// In order of submission. Refused when no thread can be started, or the pool is shut down.
    void submit(ready& r) noexcept override;

    [[nodiscard]] std::size_t max_threads() const noexcept { return max_threads_; }
    [[nodiscard]] std::size_t thread_count();
    /// Threads that wait for a job, and do nothing else until they are given one.
    [[nodiscard]] std::size_t idle_threads() noexcept;
    void read_metrics(runtime_metrics& m);

private:
    /// Where a thread without work waits. Whoever takes it off the list unparks it once.
    struct idle_thread {
        parker sleep;
        ready* given = nullptr; // what it was woken for; none at the end of the pool
        idle_thread* next = nullptr;
    };

    [[nodiscard]] char const* accept(ready& r) noexcept;
    void start_thread(std::size_t number, idle_thread* place) noexcept;
    void run_thread(idle_thread& me) noexcept;
    [[nodiscard]] bool wait_for_work(idle_thread& me) noexcept;
    [[nodiscard]] ready* take_queued() noexcept;

    spin_lock lock_;
    idle_thread* idle_ = nullptr;    // the last to fall idle is the first to be woken; while there is one, nothing is queued
    idle_thread* spare_ = nullptr;   // of threads that have ended
    std::deque<idle_thread> places_; // all; kept until the pool goes, because who unparks one may still look at it
    ready* first_ = nullptr;         // queued, by `next`
    ready* last_ = nullptr;
    std::size_t queued_ = 0;
    std::size_t threads_ = 0;
    std::size_t started_ = 0; // for names
    bool stopping_ = false;

    std::size_t const max_threads_;
    duration const idle_time_;
    thread_setup const* const setup_;

    std::atomic<std::uint32_t> submitting_{0}; // threads inside submit()
    std::atomic<bool> looking_{false};         // an idle thread looks for work and does not sleep yet: it alone uses patience_
    patience patience_;
    std::condition_variable_any thread_ended_;
};

} // namespace aya::inline v1::detail
