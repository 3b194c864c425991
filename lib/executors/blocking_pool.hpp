// SPDX-License-Identifier: Apache-2.0
// Threads for calls that block. They are started when a job finds no idle one, up to a limit, and end after idling.
#pragma once

#include <aya/detail/executor_base.hpp>
#include <aya/time.hpp>

#include <condition_variable>
#include <cstddef>
#include <mutex>

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

private:
    void run_thread() noexcept;

    std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable thread_ended_;
    ready* first_ = nullptr; // by `next`
    ready* last_ = nullptr;
    std::size_t queued_ = 0;
    std::size_t idle_ = 0;
    std::size_t threads_ = 0;
    std::size_t started_ = 0; // for names
    std::size_t const max_threads_;
    duration const idle_time_;
    thread_setup const* const setup_;
    bool stopping_ = false;
};

} // namespace aya::inline v1::detail
