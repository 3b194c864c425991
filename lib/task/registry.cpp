// SPDX-License-Identifier: Apache-2.0
#include "task/registry.hpp"

#include "executors/current_thread.hpp"

#include <aya/detail/scheduler.hpp>

#include <mutex>

namespace aya::inline v1::detail {

task_registry::task_registry(std::size_t shards)
    : shards_(std::make_unique<shard[]>(shards)), shard_count_(static_cast<std::uint32_t>(shards)) {}

void task_registry::add(task_state& t) noexcept {
    thread_context const* const context = current_thread;
    std::uint64_t const number = context == nullptr ? 0 : context->index % shard_count_;
    // Relaxed: only remove() asks for it.
    t.identity_.store(t.id() | number << task_state::id_bits, std::memory_order_relaxed);
    shard& s = shards_[number];
    std::lock_guard const guard(s.mutex);
    t.registry_next_ = s.head;
    if (s.head != nullptr)
        s.head->registry_previous_ = &t;
    s.head = &t;
    ++s.count;
    ++s.added;
}

void task_registry::remove(task_state& t) noexcept {
    // Relaxed: add() was before the task was published, or under its lock, which the caller holds.
    shard& s = shards_[t.identity_.load(std::memory_order_relaxed) >> task_state::id_bits];
    std::lock_guard const guard(s.mutex);
    if (t.registry_previous_ != nullptr)
        t.registry_previous_->registry_next_ = t.registry_next_;
    else
        s.head = t.registry_next_;
    if (t.registry_next_ != nullptr)
        t.registry_next_->registry_previous_ = t.registry_previous_;
    --s.count;
}

std::vector<state_reference> task_registry::snapshot() {
    std::vector<state_reference> all;
    all.reserve(size());
    for (std::uint32_t i = 0; i < shard_count_; ++i) {
        shard& s = shards_[i];
        std::lock_guard const guard(s.mutex);
        // A registered task is not done, so the scheduler's own reference keeps it alive while the lock keeps it registered.
        for (task_state* t = s.head; t != nullptr; t = t->registry_next_)
            all.push_back(state_reference::share(*t));
    }
    return all;
}

// Relaxed, here and in count(): figures for metrics, which order nothing.
void task_registry::count_end(ending how) noexcept {
    (how == ending::cancelled ? cancelled_ : failed_).fetch_add(1, std::memory_order_relaxed);
}

task_registry::counts task_registry::count() noexcept {
    counts total;
    for (std::uint32_t i = 0; i < shard_count_; ++i) {
        std::lock_guard const guard(shards_[i].mutex);
        total.alive += shards_[i].count;
        total.added += shards_[i].added;
    }
    total.cancelled = cancelled_.load(std::memory_order_relaxed);
    total.failed = failed_.load(std::memory_order_relaxed);
    return total;
}

state_reference task_registry::next_to_cancel() noexcept {
    state_reference any;
    for (std::uint32_t i = 0; i < shard_count_; ++i) {
        state_reference outside_the_lock = std::move(any); // a last reference must not go inside it
        shard& s = shards_[i];
        std::lock_guard const guard(s.mutex);
        for (task_state* t = s.head; t != nullptr; t = t->registry_next_)
            if (t->cancelling() == 0)
                return state_reference::share(*t);
        any = s.head == nullptr ? std::move(outside_the_lock) : state_reference::share(*s.head);
    }
    return any;
}

std::size_t task_registry::size() noexcept {
    std::size_t total = 0;
    for (std::uint32_t i = 0; i < shard_count_; ++i) {
        std::lock_guard const guard(shards_[i].mutex);
        total += shards_[i].count;
    }
    return total;
}

} // namespace aya::inline v1::detail
