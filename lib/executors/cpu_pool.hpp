// SPDX-License-Identifier: Apache-2.0
// Threads for computation: a oneTBB arena of its own.
#pragma once

#include <aya/cpu_pool.hpp>
#include <aya/detail/executor_base.hpp>
#include <aya/metrics.hpp>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

namespace aya::inline v1::detail {

class thread_setup;

class cpu_pool final : public executor_base {
public:
    /// `setup`: of the runtime that the pool belongs to, or null. Throws broken_executor in the child of a fork() whose parent had such a pool:
    /// oneTBB would wait for threads that are not there.
    cpu_pool(std::size_t threads, cpu_priority priority, thread_setup const* setup);
    ~cpu_pool() override;

    /// Waits for all work, and refuses more from now on.
    void shut_down();

    /// Inside the arena. Refused when the arena cannot take it, or the pool is shut down.
    void submit(ready& r) noexcept override;

    [[nodiscard]] std::size_t threads() const noexcept { return threads_; }
    /// oneTBB's threads that have come by in any pool of the process, while none of them runs anything. None as long as a pool has jobs, or somebody
    /// else in the process uses oneTBB, who may have work for them.
    [[nodiscard]] static std::size_t idle_threads() noexcept;
    /// Has as many of them come by as the pool may have: oneTBB starts some in advance. Returns at once.
    void call_roll() noexcept;
    /// In the child of a fork(): they did not come along.
    static void forget_threads() noexcept;
    void read_metrics(runtime_metrics& m);

private:
    struct arena;

    void leave() noexcept;

    std::size_t const threads_;
    std::unique_ptr<arena> arena_;
    std::mutex mutex_;
    std::condition_variable all_done_;
    std::size_t pending_ = 0; // jobs, and calls of submit() that are under way
    bool stopping_ = false;
};

} // namespace aya::inline v1::detail
