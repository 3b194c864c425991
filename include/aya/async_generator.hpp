// SPDX-License-Identifier: Apache-2.0
// async_generator<T>: a coroutine that gives values one by one, and may await in between.
#pragma once

#include <aya/detail/promise.hpp>
#include <aya/errors.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

/// Values that are made on demand: the coroutine gives one with `co_yield`, and goes on when the next one is asked for. Mirrors Python's
/// asynchronous generators.
///
///     aya::async_generator<row> rows(connection c) {
///         while (auto page = co_await c.next_page())
///             for (row& r : page->rows)
///                 co_yield std::move(r);
///     }
///     auto all = rows(c);
///     while (auto r = co_await all.next())
///         use(*r);
///
/// It runs inside the task that asks: that task is cancelled where the generator waits, and its deadlines hold there. Destroying a
/// generator destroys its coroutine where it stands, destructors run at once and cannot await: where Python needs aclose() for
/// clean-up that awaits, await it before the last value is dropped, or use a task group around the loop.
/// Thread safety: one task at a time. Cost: one block of frame memory; a value costs two moves and touches no atomic.
template <class T>
class [[nodiscard]] async_generator {
    static_assert(std::is_object_v<T> && std::is_move_constructible_v<T>,
                  "aya::async_generator<T>: T must be a movable object type; use a pointer for a reference");
    static_assert(alignof(T) <= alignof(std::max_align_t),
                  "aya::async_generator<T>: T is over-aligned, and compilers do not align coroutine frames for it; use a pointer to it");

public:
    class promise_type;
    class next_awaiter;
    using value_type = T;

    /// Empty; next() throws invalid_state_error.
    async_generator() noexcept = default;
    async_generator(async_generator&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
    async_generator& operator=(async_generator&& other) noexcept {
        async_generator moved(std::move(other));
        std::swap(frame_, moved.frame_);
        return *this;
    }
    /// Not while a next() is under way.
    ~async_generator() {
        if (frame_)
            frame_.destroy();
    }

    /// `co_await g.next()` gives the next value, or an empty optional when the generator has ended, then and ever after. Throws what the
    /// generator throws, which ends it; invalid_state_error when it is empty, or still busy with another next(). No cancellation
    /// point by itself. The generator must outlive the await.
    next_awaiter next() noexcept { return next_awaiter(frame_); }

    [[nodiscard]] explicit operator bool() const noexcept { return frame_ != nullptr; }

private:
    explicit async_generator(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

    std::coroutine_handle<promise_type> frame_;
};

template <class T>
class async_generator<T>::promise_type final : public detail::promise_base {
    struct leave_awaiter {
        bool await_ready() const noexcept { return false; }
        detail::transfer_result await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
            promise_type& p = self.promise();
            p.busy_ = false;
            return detail::transfer(p.continuation);
        }
        void await_resume() const noexcept {}
    };

public:
    async_generator get_return_object(std::source_location here = std::source_location::current()) {
        auto const frame = detail::handle_of(*this, here);
        this->where = here;
        return async_generator(frame);
    }
    leave_awaiter final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}

    template <class U>
        requires std::constructible_from<T, U&&>
    leave_awaiter yield_value(U&& value) {
        value_.emplace(std::forward<U>(value));
        return {};
    }

private:
    friend next_awaiter;

    std::optional<T> value_;
    bool busy_ = false;
};

template <class T>
class [[nodiscard]] async_generator<T>::next_awaiter final {
public:
    using operation_result = std::optional<T>;

    explicit next_awaiter(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}
    next_awaiter(next_awaiter&& unawaited) noexcept : frame_(std::exchange(unawaited.frame_, nullptr)) {}
    next_awaiter& operator=(next_awaiter&&) = delete;

    bool await_ready() const {
        if (!frame_) [[unlikely]]
            detail::throw_invalid_state("aya::async_generator::next: the generator is empty or was moved from");
        if (frame_.promise().busy_) [[unlikely]]
            detail::throw_invalid_state("aya::async_generator::next: the generator runs already");
        return frame_.done();
    }
    template <detail::task_promise Promise>
    detail::transfer_result await_suspend(std::coroutine_handle<Promise> consumer, std::source_location where = std::source_location::current()) noexcept {
        consumer.promise().where = where;
        promise_type& p = frame_.promise();
        p.busy_ = true;
        p.continuation = consumer;
        p.task = consumer.promise().task;
        return detail::transfer(frame_);
    }
    std::optional<T> await_resume() {
        promise_type& p = frame_.promise();
        if (p.error) [[unlikely]]
            std::rethrow_exception(std::exchange(p.error, nullptr));
        std::optional<T> value(std::move(p.value_));
        p.value_.reset();
        return value;
    }

private:
    std::coroutine_handle<promise_type> frame_;
};

} // namespace aya::inline v1
