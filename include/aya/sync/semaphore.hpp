// SPDX-License-Identifier: Apache-2.0
// semaphore: at most so many at once.
#pragma once

#include <aya/detail/wait_list.hpp>
#include <aya/errors.hpp>

#include <coroutine>
#include <cstddef>
#include <source_location>
#include <utility>

namespace aya::inline v1 {

namespace detail {

template <class Semaphore>
class [[nodiscard]] held_permit {
public:
    held_permit() noexcept = default;
    explicit held_permit(Semaphore& s) noexcept : semaphore_(&s) {}
    held_permit(held_permit&& other) noexcept : semaphore_(std::exchange(other.semaphore_, nullptr)) {}
    held_permit& operator=(held_permit&& other) noexcept {
        held_permit moved(std::move(other));
        std::swap(semaphore_, moved.semaphore_);
        return *this;
    }
    ~held_permit() {
        if (semaphore_ != nullptr)
            semaphore_->release();
    }

    /// Releases it now. Throws invalid_state_error when it holds nothing.
    void release() {
        if (semaphore_ == nullptr)
            throw_invalid_state("aya::semaphore::permit: holds no permit");
        std::exchange(semaphore_, nullptr)->release();
    }
    /// Keeps the permit taken: somebody else calls the semaphore's release().
    void forget() noexcept { semaphore_ = nullptr; }

private:
    Semaphore* semaphore_ = nullptr;
};

} // namespace detail

/// A number of permits, handed out first come, first served. Mirrors asyncio.Semaphore. Must outlive its waiters.
/// Thread safety: all of it. Cost: a short spin lock; nothing is allocated.
class semaphore {
public:
    class acquire_awaiter;

    /// Holds one permit, and releases it when it goes away. Movable.
    using permit = detail::held_permit<semaphore>;

    /// Throws std::invalid_argument for a negative number.
    explicit semaphore(std::ptrdiff_t permits = 1) : permits_(static_cast<std::size_t>(permits)) {
        if (permits < 0)
            detail::throw_invalid_argument("aya::semaphore: the number of permits must not be negative");
    }

    /// `auto permit = co_await s.acquire();` A free permit is taken without suspending. Cancellation: as mutex::lock().
    acquire_awaiter acquire() noexcept;

    /// Takes a permit if one is free.
    [[nodiscard]] bool try_acquire() noexcept;

    /// Gives one permit back, or a new one in: to the longest waiter if there is one. Any task or thread.
    void release() noexcept;

    /// True when acquire() would suspend. A snapshot.
    [[nodiscard]] bool locked() const noexcept;

private:
    friend class bounded_semaphore;

    /// False, and nothing is released, when there are `limit` free permits already.
    [[nodiscard]] bool release_below(std::size_t limit) noexcept;

    mutable detail::spin_lock mutex_;
    std::size_t permits_;
    detail::wait_list waiters_{mutex_};
};

class [[nodiscard]] semaphore::acquire_awaiter : public detail::waiter {
public:
    using operation_result = permit;

    explicit acquire_awaiter(semaphore& s) noexcept : semaphore_(&s) {}

    bool await_ready() {
        begin_await();
        return semaphore_->try_acquire();
    }
    template <detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        return suspend(*h.promise().task, h);
    }
    permit await_resume() {
        if (suspended())
            finish();
        return permit(*semaphore_);
    }

    void describe(detail::wait_description& d) const noexcept override { d.inside("semaphore::acquire", semaphore_); }

private:
    bool suspend(detail::task_state& task, std::coroutine_handle<> h) noexcept;
    void finish();

    semaphore* semaphore_;
};

inline semaphore::acquire_awaiter semaphore::acquire() noexcept { return acquire_awaiter(*this); }

} // namespace aya::inline v1
