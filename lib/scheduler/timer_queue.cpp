// SPDX-License-Identifier: Apache-2.0
#include "scheduler/timer_queue.hpp"

#include <aya/detail/balance.hpp>

#include <mutex>

namespace aya::inline v1::detail {

namespace {
constexpr std::size_t arity = 4; // shallower than a binary heap, and the children share a cache line
constexpr std::uint64_t ordered_bit = 1; // in timer::sequence
}

bool timer_queue::arm(timer& t, time_point deadline) {
    entry const e{deadline.time_since_epoch().count(), &t};
    heap_.push_back(e);
    count(counted::timers, 1);
    t.home = this;
    t.sequence = (sequence_ += 2 * ordered_bit) | (t.sequence & ordered_bit);
    sift_up(heap_.size() - 1, e);
    if (t.position != 0 || e.deadline >= next_.load(std::memory_order_relaxed)) // written with the lock held
        return false;
    publish_next();
    return earlier_ != nullptr;
}

bool timer_queue::disarm(timer& t) noexcept {
    if (t.position == timer::unarmed)
        return false;
    remove(t.position);
    return true;
}

timer* timer_queue::pop_due(time_point now) noexcept {
    // Relaxed: a deadline that is published while we look is found by the next look.
    if (next_.load(std::memory_order_relaxed) > now.time_since_epoch().count())
        return nullptr;
    std::lock_guard const guard(mutex_);
    if (heap_.empty() || heap_.front().deadline > now.time_since_epoch().count()) {
        publish_next();
        return nullptr;
    }
    timer* const due = heap_.front().which;
    remove(0);
    if ((due->sequence & ordered_bit) != 0)
        static_cast<ordered_timer*>(due)->claim(*due);
    return due;
}

void timer_queue::remove(std::size_t position) noexcept {
    count(counted::timers, -1);
    heap_[position].which->position = timer::unarmed;
    entry const last = heap_.back();
    heap_.pop_back();
    if (position < heap_.size()) {
        if (position > 0 && before(last, heap_[(position - 1) / arity]))
            sift_up(position, last);
        else
            sift_down(position, last);
    }
    // Relaxed: whoever misses it takes next_ as it is, which is never too late.
    if (position == 0)
        stale_.store(true, std::memory_order_relaxed);
}

void timer_queue::sift_up(std::size_t position, entry e) noexcept {
    while (position > 0) {
        std::size_t const parent = (position - 1) / arity;
        if (!before(e, heap_[parent]))
            break;
        place(position, heap_[parent]);
        position = parent;
    }
    place(position, e);
}

void timer_queue::sift_down(std::size_t position, entry e) noexcept {
    for (;;) {
        std::size_t const first = position * arity + 1;
        if (first >= heap_.size())
            break;
        std::size_t const end = std::min(first + arity, heap_.size());
        std::size_t least = first;
        for (std::size_t child = first + 1; child < end; ++child)
            if (before(heap_[child], heap_[least]))
                least = child;
        if (!before(heap_[least], e))
            break;
        place(position, heap_[least]);
        position = least;
    }
    place(position, e);
}

time_point timer_queue::earliest() const noexcept {
    if (stale_.load(std::memory_order_relaxed)) { // as in remove()
        std::lock_guard const guard(mutex_);
        publish_next();
    }
    return next();
}

void timer_queue::publish_next() const noexcept {
    stale_.store(false, std::memory_order_relaxed); // as in remove()
    next_.store(heap_.empty() ? time_point::max().time_since_epoch().count() : heap_.front().deadline);
}

} // namespace aya::inline v1::detail
