// SPDX-License-Identifier: Apache-2.0
// queue<T>: the bounded channel between the stages of a pipeline.
#pragma once

#include <aya/detail/queue_core.hpp>
#include <aya/detail/ring_buffer.hpp>
#include <aya/errors.hpp>

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace aya {

/// First in, first out, between any number of putting and getting tasks. Mirrors asyncio.Queue, but stricter: an item goes to the task
/// that has waited longest, so nobody overtakes. Must outlive its waiters.
/// Thread safety: all of it; the *_nowait calls from any thread. Cost: a short spin lock an operation.
/// T must be movable without throwing, so that no item is lost half way.
template <class T>
class queue {
    static_assert(std::is_nothrow_move_constructible_v<T>, "aya::queue<T>: T must be nothrow move constructible");

public:
    class put_awaiter;
    class get_awaiter;

    /// `capacity` 0 or less: no limit, and put() never suspends.
    explicit queue(std::ptrdiff_t capacity = 0) noexcept
        : core_(capacity < 0 ? 0 : static_cast<std::size_t>(capacity)) {}

    /// `co_await q.put(x)` stores x, once there is room. Cancellation: a cancelled put has stored nothing.
    /// Throws queue_shut_down.
    put_awaiter put(T item) { return put_awaiter(*this, std::move(item)); }

    /// `co_await q.get()` gives the oldest item, once there is one. Cancellation: an item that was on its way to a cancelled task
    /// stays first in the queue. Throws queue_shut_down when the queue is shut down and empty.
    get_awaiter get() { return get_awaiter(*this); }

    /// Stores x now, or throws queue_full or queue_shut_down.
    void put_nowait(T item) {
        detail::waiter* woken = nullptr;
        {
            detail::spin_guard const hold(core_.mutex);
            require_open();
            if (!core_.has_room(items_.size()))
                throw queue_full();
            woken = store(item);
        }
        wake(woken);
    }

    /// Gives the oldest item now, or throws queue_empty or queue_shut_down.
    T get_nowait() {
        detail::waiter* woken = nullptr;
        std::optional<T> item;
        {
            detail::spin_guard const hold(core_.mutex);
            if (items_.empty()) {
                require_open();
                throw queue_empty();
            }
            item.emplace(take(woken));
        }
        wake(woken);
        return std::move(*item);
    }

    /// Says that an item that was got is dealt with. Throws invalid_state_error when called more often than items were put.
    void task_done() { core_.task_done(); }
    /// Waits until task_done() was called for every item that was put.
    detail::join_queue_awaiter join() noexcept { return detail::join_queue_awaiter(core_); }

    /// No more puts: waiting and later ones throw queue_shut_down, and so do gets once the queue is empty. `immediate` empties it now
    /// and counts the dropped items as done. Mirrors Queue.shutdown().
    void shutdown(bool immediate = false) {
        detail::ring_buffer<T> dropped; // destroyed outside the lock
        detail::wait_list::batch putters, getters, joiners;
        {
            detail::spin_guard const hold(core_.mutex);
            core_.shut_down = true;
            if (immediate) {
                dropped.swap(items_);
                for (std::size_t i = 0; i < dropped.size(); ++i)
                    core_.uncount_put();
                if (core_.all_done())
                    joiners = core_.joiners.take_all();
            }
            putters = core_.putters.take_all();
            getters = core_.getters.take_all();
        }
        putters.wake_all();
        getters.wake_all();
        joiners.wake_all();
    }

    // Snapshots: with several workers they may be out of date at once.
    [[nodiscard]] std::size_t size() const noexcept {
        detail::spin_guard const hold(core_.mutex);
        return items_.size();
    }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] bool full() const noexcept {
        detail::spin_guard const hold(core_.mutex);
        return !core_.has_room(items_.size());
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }

private:
    void require_open() const {
        if (core_.shut_down)
            throw queue_shut_down();
    }
    static void wake(detail::waiter* w) noexcept {
        if (w != nullptr)
            w->task().wake();
    }

    // With the lock held: to the longest waiting getter, or to the end of the queue. Returns whom to wake.
    detail::waiter* store(T& item) {
        detail::waiter* const getter = core_.getters.take_first();
        if (getter != nullptr)
            static_cast<get_awaiter&>(*getter).item_.emplace(std::move(item));
        else
            items_.push_back(std::move(item));
        core_.count_put();
        return getter;
    }
    // With the lock held and an item there: takes it, and reserves its place for a putter, to be woken.
    T take(detail::waiter*& putter) {
        T item = std::move(items_.front());
        items_.pop_front();
        putter = core_.reserve_for_putter(items_.size());
        return item;
    }

    mutable detail::queue_core core_;
    detail::ring_buffer<T> items_;
};

template <class T>
class [[nodiscard]] queue<T>::put_awaiter final : public detail::putter {
public:
    put_awaiter(queue& q, T&& item) noexcept : queue_(&q), item_(std::move(item)) {}

    bool await_ready() const noexcept { return false; }
    template <detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        detail::queue_core& core = queue_->core_;
        core.mutex.lock();
        if (core.shut_down) {
            core.mutex.unlock();
            throw queue_shut_down();
        }
        if (!core.has_room(queue_->items_.size())) {
            suspend_on(core.putters, *h.promise().task, h);
            return true;
        }
        store_and_unlock();
        return false;
    }
    void await_resume() {
        if (!suspended())
            return;
        detail::task_state& self = task();
        auto const [cancelled, woken] = finish_wait();
        detail::queue_core& core = queue_->core_;
        if (cancelled && !woken)
            self.throw_cancelled();
        // Woken: with a reserved place, or by shutdown, which reserves none.
        core.mutex.lock();
        if (!reserved) {
            core.mutex.unlock();
            if (cancelled)
                self.throw_cancelled();
            throw queue_shut_down();
        }
        core.end_reservation();
        if (cancelled || core.shut_down) {
            detail::waiter* const next = core.reserve_for_putter(queue_->items_.size());
            core.mutex.unlock();
            wake(next);
            if (cancelled)
                self.throw_cancelled();
            throw queue_shut_down();
        }
        store_and_unlock();
    }

private:
    friend queue;

    // With the lock held. When there is no memory for the item, it is not stored, and the caller has the exception.
    void store_and_unlock() {
        detail::waiter* getter = nullptr;
        try {
            getter = queue_->store(item_);
        } catch (...) {
            queue_->core_.mutex.unlock();
            throw;
        }
        // A reserved place that was not needed, since a getter took the item, is the next putter's.
        detail::waiter* const next = queue_->core_.reserve_for_putter(queue_->items_.size());
        queue_->core_.mutex.unlock();
        wake(getter);
        wake(next);
    }

    queue* queue_;
    T item_;
};

template <class T>
class [[nodiscard]] queue<T>::get_awaiter final : public detail::waiter {
public:
    explicit get_awaiter(queue& q) noexcept : queue_(&q) {}

    bool await_ready() const noexcept { return false; }
    template <detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        detail::queue_core& core = queue_->core_;
        core.mutex.lock();
        if (!queue_->items_.empty()) {
            detail::waiter* putter = nullptr;
            item_.emplace(queue_->take(putter));
            core.mutex.unlock();
            wake(putter);
            return false;
        }
        if (core.shut_down) {
            core.mutex.unlock();
            throw queue_shut_down();
        }
        suspend_on(core.getters, *h.promise().task, h);
        return true;
    }
    T await_resume() {
        if (suspended())
            finish();
        return std::move(*item_);
    }

private:
    friend queue;

    void finish() {
        detail::task_state& self = task();
        bool const cancelled = finish_wait().cancelled;
        if (cancelled) {
            if (item_)
                give_back();
            self.throw_cancelled();
        }
        if (!item_)
            throw queue_shut_down(); // woken by shutdown
    }

    // The item was handed over, but this task is cancelled: the next getter has it, or it is first in the queue again.
    void give_back() {
        detail::queue_core& core = queue_->core_;
        detail::waiter* next = nullptr;
        {
            detail::spin_guard const hold(core.mutex);
            next = core.getters.take_first();
            if (next != nullptr)
                static_cast<get_awaiter&>(*next).item_ = std::move(item_);
            else
                queue_->items_.push_front(std::move(*item_));
        }
        wake(next);
    }

    queue* queue_;
    std::optional<T> item_;
};

} // namespace aya
