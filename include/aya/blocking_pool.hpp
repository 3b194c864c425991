// SPDX-License-Identifier: Apache-2.0
// blocking_pool: threads for calls that block, as an executor of one's own. to_thread() uses the runtime's.
#pragma once

#include <aya/executor.hpp>

#include <chrono>
#include <cstddef>
#include <memory>

namespace aya::inline v1 {

namespace detail {
class blocking_pool;
}

struct blocking_pool_options {
    /// Most threads at a time; work beyond them queues. 0: min(32, usable CPUs + 4), as Python has it.
    std::size_t max_threads = 0;
    /// A thread ends after idling for so long.
    std::chrono::nanoseconds idle_time = std::chrono::seconds(10);
};

/// Threads that start when work finds none idle, up to a limit. They are named aya-bN. Must outlive the tasks that use it. Mirrors
/// ThreadPoolExecutor. Thread safety: all of it.
class blocking_pool {
public:
    /// Throws std::invalid_argument for an idle time below zero.
    explicit blocking_pool(blocking_pool_options options = {});
    /// Runs what is queued, and waits for every thread.
    ~blocking_pool();
    blocking_pool(blocking_pool const&) = delete;
    blocking_pool& operator=(blocking_pool const&) = delete;

    [[nodiscard]] any_executor const& executor() const noexcept { return executor_; }
    operator any_executor const&() const noexcept { return executor_; }

    [[nodiscard]] std::size_t max_threads() const noexcept;
    /// How many threads there are now.
    [[nodiscard]] std::size_t thread_count() const;

    /// Runs what is queued, waits for every thread, and refuses work from now on. Not on a thread of the pool. Mirrors Executor.shutdown().
    void shut_down();

private:
    std::shared_ptr<detail::blocking_pool> pool_; // shared with calls that are on their way to it, and whose tasks need not wait for that
    any_executor executor_;
};

} // namespace aya::inline v1
