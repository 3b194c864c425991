// SPDX-License-Identifier: Apache-2.0
// What put() and get() of a queue give. The last part of basic_queue.hpp, which includes it.
#pragma once

#include <aya/detail/basic_queue.hpp>

#include <coroutine>
#include <optional>
#include <source_location>
#include <utility>

namespace aya::inline v1::detail {

template <class T, item_storage<T> Storage>
class [[nodiscard]] basic_queue<T, Storage>::put_awaiter final : public putter {
public:
    using operation_result = void;

    put_awaiter(basic_queue& q, T&& item) noexcept : queue_(&q), item_(std::move(item)) {}

    bool await_ready() {
        begin_await();
        return false;
    }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        if (store_now())
            return false;
        h.promise().where = where;
        suspend_on(queue_->core_.putters, queue_->core_.self(h.promise().task), h);
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

    bool await_ready() {
        begin_await();
        return false;
    }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        if (take_now())
            return false;
        h.promise().where = where;
        suspend_on(queue_->core_.getters, queue_->core_.self(h.promise().task), h);
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
