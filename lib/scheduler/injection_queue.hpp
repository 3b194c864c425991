// SPDX-License-Identifier: Apache-2.0
// Ready work from threads that are no workers. moodycamel's queue keeps the order of each producing thread, which is all that is
// promised here.
#pragma once

#include <aya/detail/task_state.hpp>

#include <concurrentqueue/concurrentqueue.h>

#include <atomic>
#include <cstddef>

namespace aya::detail {

class injection_queue {
public:
    /// Any thread. Throws std::bad_alloc.
    void push(ready& r) {
        r.next = nullptr;
        count_.fetch_add(1);
        // The queue orders its slots with fences, which ThreadSanitizer does not model; this pair it sees (and x86 gets it for nothing).
        published_.store(true, std::memory_order_release);
        if (!queue_.enqueue(&r)) {
            count_.fetch_sub(1);
            throw std::bad_alloc();
        }
    }

    /// Up to `limit` items. May find none while a push is under way; empty() is false then.
    std::size_t pop(ready** items, std::size_t limit) {
        if (count_.load(std::memory_order_relaxed) == 0) // a hint; who must be sure asks empty()
            return 0;
        std::size_t const n = queue_.try_dequeue_bulk(items, limit);
        (void)published_.load(std::memory_order_acquire);
        if (n != 0)
            count_.fetch_sub(n);
        return n;
    }

    /// Seq_cst: false for every push that came before in the total order.
    [[nodiscard]] bool empty() const noexcept { return count_.load() == 0; }

private:
    moodycamel::ConcurrentQueue<ready*> queue_;
    std::atomic<std::size_t> count_{0};
    std::atomic<bool> published_{false};
};

} // namespace aya::detail
