// SPDX-License-Identifier: Apache-2.0
// Threads for computation: a oneTBB arena of its own.
#pragma once

#include <aya/detail/offload.hpp>

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

namespace aya::detail {

struct clock_source;

class cpu_pool {
public:
    cpu_pool(std::size_t threads, clock_source& clock);
    /// Waits for every job.
    ~cpu_pool();

    /// Runs `job` once, inside the arena; ends it with broken_executor if the arena cannot take it. Any thread.
    void submit(offload_job& job) noexcept;

private:
    struct arena;

    void leave() noexcept;

    std::unique_ptr<arena> arena_;
    std::mutex mutex_;
    std::condition_variable all_done_;
    std::size_t pending_ = 0; // jobs, and calls of submit() that are under way
    clock_source& clock_;
};

} // namespace aya::detail
