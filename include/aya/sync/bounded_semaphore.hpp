// SPDX-License-Identifier: Apache-2.0
// bounded_semaphore: a semaphore that notices a release too many.
#pragma once

#include <aya/sync/semaphore.hpp>

#include <cstddef>

namespace aya::inline v1 {

/// As semaphore, but there are never more permits than at first. Mirrors asyncio.BoundedSemaphore. Must outlive its waiters.
class bounded_semaphore {
public:
    class acquire_awaiter;
    /// As semaphore::permit. Where a release too many would throw, its destructor ends the program.
    using permit = detail::held_permit<bounded_semaphore>;

    /// Throws std::invalid_argument for a negative number.
    explicit bounded_semaphore(std::ptrdiff_t permits = 1)
        : permits_(checked(permits)), limit_(static_cast<std::size_t>(permits)) {}

    /// `auto permit = co_await s.acquire();` As semaphore::acquire().
    acquire_awaiter acquire() noexcept;
    [[nodiscard]] bool try_acquire() noexcept { return permits_.try_acquire(); }

    /// Gives one permit back. Throws invalid_state_error when none is taken. Any task or thread.
    void release() {
        if (!permits_.release_below(limit_))
            detail::throw_invalid_state("aya::bounded_semaphore::release: more permits than were acquired");
    }

    /// True when acquire() would suspend. A snapshot.
    [[nodiscard]] bool locked() const noexcept { return permits_.locked(); }

private:
    static std::ptrdiff_t checked(std::ptrdiff_t permits) {
        if (permits < 0)
            detail::throw_invalid_argument("aya::bounded_semaphore: the number of permits must not be negative");
        return permits;
    }

    semaphore permits_;
    std::size_t limit_;
};

class [[nodiscard]] bounded_semaphore::acquire_awaiter final : public semaphore::acquire_awaiter {
public:
    using operation_result = permit;

    explicit acquire_awaiter(bounded_semaphore& s) noexcept
        : semaphore::acquire_awaiter(s.permits_), bounded_(&s) {}

    permit await_resume() {
        semaphore::acquire_awaiter::await_resume().forget();
        return permit(*bounded_);
    }

private:
    bounded_semaphore* bounded_;
};

inline bounded_semaphore::acquire_awaiter bounded_semaphore::acquire() noexcept { return acquire_awaiter(*this); }

} // namespace aya::inline v1
