// SPDX-License-Identifier: Apache-2.0
// Threads for calls that block. They are started when a job finds no idle one, up to a limit, and end after idling.
#pragma once

#include <aya/detail/offload.hpp>
#include <aya/time.hpp>

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace aya::detail {

struct clock_source;

class blocking_pool {
public:
    blocking_pool(std::size_t max_threads, clock_source& clock, duration idle_time = std::chrono::seconds(10));
    /// Runs what is queued, then waits for every thread.
    ~blocking_pool();

    /// Runs `job` once, on a thread of this pool, in order of submission. If no thread can be started to run it, or the pool
    /// is shut down, the job ends with broken_executor. Any thread.
    void submit(offload_job& job) noexcept;

    [[nodiscard]] std::size_t thread_count();

private:
    void run_thread() noexcept;

    std::mutex mutex_;
    std::condition_variable work_;
    std::condition_variable thread_ended_;
    offload_job* first_ = nullptr; // by `next`
    offload_job* last_ = nullptr;
    std::size_t queued_ = 0;
    std::size_t idle_ = 0;
    std::size_t threads_ = 0;
    std::size_t started_ = 0; // for names
    std::size_t const max_threads_;
    duration const idle_time_;
    clock_source& clock_;
    bool stopping_ = false;
};

} // namespace aya::detail
