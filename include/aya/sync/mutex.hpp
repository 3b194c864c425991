// SPDX-License-Identifier: Apache-2.0
// mutex: mutual exclusion between tasks.
#pragma once

#include <aya/detail/wait_list.hpp>
#include <aya/errors.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <source_location>
#include <utility>

namespace aya::inline v1 {

/// Mutual exclusion between tasks, first come, first served. Mirrors asyncio.Lock, but stricter: unlock() hands the mutex to the
/// longest waiter, so nobody overtakes. Holding it over a co_await is what it is for. Must outlive its waiters.
/// Thread safety: all of it. Cost: a short spin lock; nothing is allocated.
class mutex {
public:
    class lock_awaiter;

    /// Holds the mutex, and unlocks it when it goes away. Movable.
    class [[nodiscard]] guard {
    public:
        guard() noexcept = default;
        explicit guard(mutex& m) noexcept : mutex_(&m) {}
        guard(guard&& other) noexcept : mutex_(std::exchange(other.mutex_, nullptr)) {}
        guard& operator=(guard&& other) noexcept {
            guard moved(std::move(other));
            std::swap(mutex_, moved.mutex_);
            return *this;
        }
        ~guard() {
            if (mutex_ != nullptr)
                mutex_->unlock();
        }

        /// Unlocks now. Throws invalid_state_error when it holds nothing.
        void unlock() {
            if (mutex_ == nullptr)
                detail::throw_invalid_state("aya::mutex::guard: holds no mutex");
            std::exchange(mutex_, nullptr)->unlock();
        }
        [[nodiscard]] bool owns_lock() const noexcept { return mutex_ != nullptr; }
        [[nodiscard]] bool holds(mutex const& m) const noexcept { return mutex_ == &m; }

    private:
        mutex* mutex_ = nullptr;
    };

    mutex() = default;

    /// `auto guard = co_await m.lock();` A free mutex is taken without suspending. Cancellation: a task that is cancelled
    /// while it waits does not get the mutex; had it been handed over already, the next waiter gets it.
    lock_awaiter lock() noexcept;

    /// Takes a free mutex; false when it is held or others wait for it.
    [[nodiscard]] bool try_lock() noexcept;

    /// What the guard calls. From any task or thread. Throws invalid_state_error when the mutex is not locked, and when it was handed to a
    /// task that has not run since: that task is the only one that may unlock it.
    void unlock();

    /// A snapshot.
    [[nodiscard]] bool locked() const noexcept;

private:
    friend class condition_variable;

    enum class holder : std::uint8_t { nobody, task, foreign_thread };

    [[nodiscard]] bool take_for_task() noexcept;
    /// Hands the mutex to the longest waiter, or frees it.
    void pass_on() noexcept;
    [[nodiscard]] detail::waiter* take_next() noexcept; // with the lock held, as these two
    [[nodiscard]] bool is_free() const noexcept { return holder_.load(std::memory_order_relaxed) == holder::nobody; }
    void belongs_to(holder h) noexcept { holder_.store(h, std::memory_order_relaxed); }
    /// For a waiter that the caller has claimed and that must have the mutex: true when it has it now, and the caller wakes its task.
    [[nodiscard]] bool give_or_queue(detail::waiter& w) noexcept;
    /// The task that the mutex was handed to runs.
    void accept() noexcept {
        // Relaxed: what matters is that this task, and whom it tells, may unlock; they see it anyway.
        handed_over_.store(false, std::memory_order_relaxed);
    }

    mutable detail::spin_lock mutex_;
    // Written under the lock; read without it by who looks at a waiting task. Relaxed: nothing else is read by it.
    std::atomic<holder> holder_{holder::nobody};
    std::atomic<bool> handed_over_{false}; // set under the lock
    detail::wait_list waiters_{mutex_};
};

class [[nodiscard]] mutex::lock_awaiter final : public detail::waiter {
public:
    using operation_result = guard;

    explicit lock_awaiter(mutex& m) noexcept : mutex_(&m) {}

    bool await_ready() {
        begin_await();
        return mutex_->take_for_task();
    }
    template <detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        return suspend(*h.promise().task, h);
    }
    guard await_resume() {
        if (suspended())
            finish();
        return guard(*mutex_);
    }

    void describe(detail::wait_description& d) const noexcept override {
        d.inside("mutex::lock", mutex_);
        d.from_outside = mutex_->holder_.load(std::memory_order_relaxed) == holder::foreign_thread;
    }

private:
    bool suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept;
    void finish();

    mutex* mutex_;
};

inline mutex::lock_awaiter mutex::lock() noexcept { return lock_awaiter(*this); }

} // namespace aya::inline v1
