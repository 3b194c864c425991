// SPDX-License-Identifier: Apache-2.0
// queue<T>, lifo_queue<T>, priority_queue<T>: the bounded channels between the stages of a pipeline.
#pragma once

#include <aya/detail/basic_queue.hpp>

#include <concepts>
#include <cstddef>
#include <utility>

namespace aya::inline v1 {

namespace detail {

struct less {
    template <class T>
        requires requires(T const& a, T const& b) { static_cast<bool>(a < b); }
    bool operator()(T const& a, T const& b) const noexcept(noexcept(a < b)) {
        return static_cast<bool>(a < b);
    }
};

} // namespace detail

/// First in, first out, between any number of putting and getting tasks. Mirrors asyncio.Queue, but stricter: an item goes to the task
/// that has waited longest, so nobody overtakes. Must outlive its waiters.
/// Thread safety: all of it; the *_nowait calls from any thread. Cost: a short spin lock an operation.
/// T must be movable without throwing, so that no item is lost half way.
template <class T>
class queue final : public detail::basic_queue<T, detail::fifo_storage<T>> {
public:
    /// `capacity` 0 or less: no limit, and put() never suspends.
    explicit queue(std::ptrdiff_t capacity = 0) noexcept : queue::basic_queue(capacity) {}
};

/// As queue<T>, but the youngest item leaves first. Mirrors asyncio.LifoQueue.
template <class T>
class lifo_queue final : public detail::basic_queue<T, detail::lifo_storage<T>> {
public:
    explicit lifo_queue(std::ptrdiff_t capacity = 0) noexcept : lifo_queue::basic_queue(capacity) {}
};

/// As queue<T>, but the item leaves first that no other goes before: `before(a, b)` says that a does. With `<`, the default, that is the
/// smallest one, as in asyncio.PriorityQueue; std::priority_queue gives the largest one. Equal items come in any order.
/// `before` is called under the queue's lock: it must be short and must not use the queue. What it throws goes to the caller of
/// put() or get(), and the queue is as it was. Cost: log2(size) comparisons and moves an operation.
template <class T, class Before = detail::less>
    requires std::predicate<Before&, T const&, T const&>
class priority_queue final : public detail::basic_queue<T, detail::priority_storage<T, Before>> {
public:
    explicit priority_queue(std::ptrdiff_t capacity = 0, Before before = Before())
        : priority_queue::basic_queue(capacity, std::move(before)) {}
};

} // namespace aya::inline v1
