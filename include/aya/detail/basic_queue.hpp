// SPDX-License-Identifier: Apache-2.0
// What queue, lifo_queue and priority_queue share: everything but the order in which stored items leave.
#pragma once

#include <aya/detail/queue_core.hpp>
#include <aya/detail/queue_storage.hpp>
#include <aya/errors.hpp>

#include <coroutine>
#include <cstddef>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace aya::inline v1::detail {

template <class T, item_storage<T> Storage>
class basic_queue {
    static_assert(std::is_nothrow_move_constructible_v<T>, "aya::queue<T>: T must be nothrow move constructible");

public:
    class put_awaiter;
    class get_awaiter;
    using value_type = T;

    /// `co_await q.put(x)` stores x, once there is room. Cancellation: a cancelled put has stored nothing.
    /// Throws queue_shut_down.
    put_awaiter put(T item) { return put_awaiter(*this, std::move(item)); }

    /// `co_await q.get()` gives the next item, once there is one. Cancellation: an item that was on its way to a cancelled task
    /// stays next in the queue. If it cannot be put back (no memory, or the comparison throws), the task gets it after all, and is
    /// cancelled at its next suspension. Throws queue_shut_down when the queue is shut down and empty.
    get_awaiter get() { return get_awaiter(*this); }

    /// Stores x now, or throws queue_full or queue_shut_down.
    void put_nowait(T item) {
        waiter* woken = nullptr;
        {
            spin_guard const hold(core_.mutex);
            require_open();
            if (!core_.has_room(items_.size()))
                throw queue_full();
            woken = store(item);
        }
        wake(woken);
    }

    /// Gives the next item now, or throws queue_empty or queue_shut_down.
    T get_nowait() {
        waiter* woken = nullptr;
        std::optional<T> item;
        {
            spin_guard const hold(core_.mutex);
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
    join_queue_awaiter join() noexcept { return join_queue_awaiter(core_); }

    /// No more puts: waiting and later ones throw queue_shut_down, and so do gets once the queue is empty. `immediate` empties it now
    /// and counts the dropped items as done. Mirrors Queue.shutdown().
    void shutdown(bool immediate = false) {
        typename Storage::contents dropped; // destroyed outside the lock
        wait_list::batch putters, getters, joiners;
        {
            spin_guard const hold(core_.mutex);
            core_.shut_down = true;
            if (immediate) {
                core_.dropping = true;
                items_.swap(dropped);
                joiners = core_.uncount_puts(dropped.size());
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
        spin_guard const hold(core_.mutex);
        return items_.size();
    }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] bool full() const noexcept {
        spin_guard const hold(core_.mutex);
        return !core_.has_room(items_.size());
    }
    [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }

protected:
    /// `capacity` 0 or less: no limit. The rest is for the storage.
    template <class... Arguments>
    explicit basic_queue(std::ptrdiff_t capacity, Arguments&&... arguments)
        : core_(capacity < 0 ? 0 : static_cast<std::size_t>(capacity)), items_(std::forward<Arguments>(arguments)...) {}
    ~basic_queue() = default;

private:
    void require_open() const {
        if (core_.shut_down)
            throw queue_shut_down();
    }
    static void wake(waiter* w) noexcept {
        if (w != nullptr)
            w->task().wake();
    }

    // With the lock held: to the longest waiting getter, or into the storage. Returns whom to wake.
    waiter* store(T& item) {
        waiter* const getter = core_.getters.take_first();
        if (getter != nullptr)
            static_cast<get_awaiter&>(*getter).item_.emplace(std::move(item));
        else
            items_.push(std::move(item));
        core_.count_put();
        return getter;
    }
    // With the lock held and an item there: takes it, and reserves its place for a putter, to be woken.
    T take(waiter*& putter) {
        T item = items_.take();
        putter = core_.reserve_for_putter(items_.size());
        return item;
    }

    mutable queue_core core_;
    Storage items_;
};

template <class T, item_storage<T> Storage>
class [[nodiscard]] basic_queue<T, Storage>::put_awaiter final : public putter {
public:
    using operation_result = void;

    put_awaiter(basic_queue& q, T&& item) noexcept : queue_(&q), item_(std::move(item)) {}

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        if (store_now())
            return false;
        h.promise().where = where;
        suspend_on(queue_->core_.putters, *h.promise().task, h);
        return true;
    }
    void await_resume() {
        if (!suspended())
            return;
        task_state& self = task();
        auto const [cancelled, woken] = finish_wait();
        queue_core& core = queue_->core_;
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
            waiter* const next = core.reserve_for_putter(queue_->items_.size());
            core.mutex.unlock();
            wake(next);
            if (cancelled)
                self.throw_cancelled();
            throw queue_shut_down();
        }
        store_and_unlock();
    }

    void describe(wait_description& d) const noexcept override { d.inside("queue::put", queue_); }

private:
    friend basic_queue;

    // False, and the lock is held, when there is no room.
    bool store_now() {
        queue_core& core = queue_->core_;
        core.mutex.lock();
        if (core.shut_down) {
            core.mutex.unlock();
            throw queue_shut_down();
        }
        if (!core.has_room(queue_->items_.size()))
            return false;
        store_and_unlock();
        return true;
    }

    // With the lock held. When there is no memory for the item, it is not stored, and the caller has the exception.
    void store_and_unlock() {
        waiter* getter = nullptr;
        try {
            getter = queue_->store(item_);
        } catch (...) {
            waiter* const next = queue_->core_.reserve_for_putter(queue_->items_.size());
            queue_->core_.mutex.unlock();
            wake(next);
            throw;
        }
        // A reserved place that was not needed, since a getter took the item, is the next putter's.
        waiter* const next = queue_->core_.reserve_for_putter(queue_->items_.size());
        queue_->core_.mutex.unlock();
        wake(getter);
        wake(next);
    }

    basic_queue* queue_;
    T item_;
};

template <class T, item_storage<T> Storage>
class [[nodiscard]] basic_queue<T, Storage>::get_awaiter final : public waiter {
public:
    using operation_result = T;

    explicit get_awaiter(basic_queue& q) noexcept : queue_(&q) {}

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        if (take_now())
            return false;
        h.promise().where = where;
        suspend_on(queue_->core_.getters, *h.promise().task, h);
        return true;
    }
    T await_resume() {
        if (suspended())
            finish();
        return std::move(*item_);
    }

    void describe(wait_description& d) const noexcept override { d.inside("queue::get", queue_); }

private:
    friend basic_queue;

    // False, and the lock is held, when there is nothing.
    bool take_now() {
        queue_core& core = queue_->core_;
        core.mutex.lock();
        if (!queue_->items_.empty()) {
            waiter* putter = nullptr;
            try {
                item_.emplace(queue_->take(putter));
            } catch (...) { // a user's comparison
                core.mutex.unlock();
                throw;
            }
            core.mutex.unlock();
            wake(putter);
            return true;
        }
        if (core.shut_down) {
            core.mutex.unlock();
            throw queue_shut_down();
        }
        return false;
    }

    void finish() {
        task_state& self = task();
        if (finish_wait().cancelled) {
            if (!item_ || give_back())
                self.throw_cancelled();
            self.postpone_cancel();
        }
        if (!item_)
            throw queue_shut_down(); // woken by shutdown
    }

    // The item was handed over, but this task is cancelled: the next getter has it, or it is next in the queue again, or it goes
    // the way of the stored ones if they were dropped meanwhile. False when it could not be put back.
    bool give_back() noexcept {
        queue_core& core = queue_->core_;
        waiter* next = nullptr;
        wait_list::batch joiners;
        {
            spin_guard const hold(core.mutex);
            if (core.dropping) {
                joiners = core.uncount_puts(1);
            } else if (next = core.getters.take_first(); next != nullptr) {
                static_cast<get_awaiter&>(*next).item_.emplace(std::move(*item_));
            } else {
                try {
                    queue_->items_.push_again(std::move(*item_));
                } catch (...) { // no memory, or a user's comparison
                    return false;
                }
            }
        }
        wake(next);
        joiners.wake_all();
        return true;
    }

    basic_queue* queue_;
    std::optional<T> item_;
};

} // namespace aya::inline v1::detail
