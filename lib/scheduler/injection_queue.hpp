// SPDX-License-Identifier: Apache-2.0
// Ready work from threads that are no workers: first in, first out. A stack that is only ever emptied whole, so it has no ABA problem,
// and whose finder turns it round (Treiber, 1986). It needs no memory, and no fences, which ThreadSanitizer would not understand.
#pragma once

#include <aya/detail/ready.hpp>

#include <atomic>
#include <utility>

namespace aya::inline v1::detail {

class injection_queue {
public:
    /// Any thread. True when the queue was empty.
    bool push(ready& r) noexcept {
        ready* head = newest_.load(std::memory_order_relaxed); // first guess
        do {
            r.next = head;
            // Seq_cst: what `r` points to is visible to who takes it, and a look of empty() comes before or after this.
        } while (!newest_.compare_exchange_weak(head, &r));
        return head == nullptr;
    }

    /// Everything that is there, by `next`, oldest first; null when there is nothing. Any thread.
    [[nodiscard]] ready* pop_all() noexcept {
        // A hint, unless the push happened before: by a strand's count, or the end of a search. Who must be sure otherwise asks empty().
        if (newest_.load(std::memory_order_relaxed) == nullptr)
            return nullptr;
        ready* newest = newest_.exchange(nullptr);
        ready* oldest = nullptr;
        while (newest != nullptr) {
            ready* const next = std::exchange(newest->next, oldest);
            oldest = std::exchange(newest, next);
        }
        return oldest;
    }

    /// Seq_cst: false for every push that came before in the total order, until it is taken.
    [[nodiscard]] bool empty() const noexcept { return newest_.load() == nullptr; }

private:
    alignas(64) std::atomic<ready*> newest_{nullptr};
};

} // namespace aya::inline v1::detail
