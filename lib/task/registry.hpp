// SPDX-License-Identifier: Apache-2.0
// Every task of a scheduler that is not done: for all_tasks, and for shutdown, which must not lose one.
// Sharded, so that workers that create and end tasks do not meet on one lock.
#pragma once

#include <aya/detail/spin_lock.hpp>
#include <aya/detail/task_state.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace aya::inline v1::detail {

class task_registry {
public:
    explicit task_registry(std::size_t shards);

    /// Any thread; the shard is the calling worker's.
    void add(task_state& t) noexcept;
    /// Any thread, once for each add.
    void remove(task_state& t) noexcept;

    /// References to all tasks that were registered throughout the call.
    [[nodiscard]] std::vector<state_reference> snapshot();
    /// One task that nobody has asked to stop yet, or, when there is none, any; empty when there is no task. Needs no memory.
    [[nodiscard]] state_reference next_to_cancel() noexcept;
    [[nodiscard]] std::size_t size() noexcept;

    struct counts {
        std::size_t alive = 0;
        std::uint64_t added = 0;
        std::uint64_t cancelled = 0;
        std::uint64_t failed = 0;
    };
    [[nodiscard]] counts count() noexcept;
    /// Counts a task that has ended without a result. Any thread.
    void count_end(ending how) noexcept;

private:
    struct alignas(64) shard {
        spin_lock mutex;
        task_state* head = nullptr;
        std::size_t count = 0;
        std::uint64_t added = 0;
    };

    std::unique_ptr<shard[]> shards_;
    std::uint32_t shard_count_;
    // Relaxed: figures, nothing is ordered by them.
    std::atomic<std::uint64_t> cancelled_{0};
    std::atomic<std::uint64_t> failed_{0};
};

} // namespace aya::inline v1::detail
