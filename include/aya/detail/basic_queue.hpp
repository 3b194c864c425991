// SPDX-License-Identifier: Apache-2.0
// What queue, lifo_queue and priority_queue share: everything but the order in which stored items leave.
#pragma once

#include <aya/detail/queue_core.hpp>
#include <aya/detail/queue_storage.hpp>
#include <aya/errors.hpp>

#include <cstddef>
#include <optional>
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

} // namespace aya::inline v1::detail

#include <aya/detail/queue_awaiters.hpp>
