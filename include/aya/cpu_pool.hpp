// SPDX-License-Identifier: Apache-2.0
// cpu_pool: threads for computation, as an executor of one's own. to_cpu() uses the runtime's.
#pragma once

#include <aya/executor.hpp>

#include <cstddef>
#include <memory>

namespace aya::inline v1 {

namespace detail {
class cpu_pool;
}

/// Which pool's work goes first, when several pools want the same CPUs.
enum class cpu_priority { low, normal, high };

struct cpu_pool_options {
    /// 0: as many as the affinity mask and the cgroup quota leave to the process.
    std::size_t threads = 0;
    cpu_priority priority = cpu_priority::normal;
};

/// A oneTBB arena: tbb::parallel_for and its kin, called inside, stay in it. Pools of one process share oneTBB's threads, so that several
/// pools do not start more of them than the largest one asks for. Must outlive the tasks that use it. Mirrors ProcessPoolExecutor
/// as asyncio programs use it, for work on several cores. Thread safety: all of it.
class cpu_pool {
public:
    /// Throws std::invalid_argument for more than 4095 threads. Starts none before the first call.
    explicit cpu_pool(cpu_pool_options options = {});
    /// Waits for all work.
    ~cpu_pool();
    cpu_pool(cpu_pool const&) = delete;
    cpu_pool& operator=(cpu_pool const&) = delete;

    [[nodiscard]] any_executor const& executor() const noexcept { return executor_; }
    operator any_executor const&() const noexcept { return executor_; }

    /// How many threads it may use.
    [[nodiscard]] std::size_t thread_count() const noexcept;

    /// Waits for all work, and refuses more from now on. Not inside the pool's own work. Mirrors Executor.shutdown().
    void shut_down();

private:
    std::shared_ptr<detail::cpu_pool> pool_; // shared with calls that are on their way to it, and whose tasks need not wait for that
    any_executor executor_;
};

} // namespace aya::inline v1
