// SPDX-License-Identifier: Apache-2.0
// An Asio operation that a task waits for: the part that needs no types. See lib/io/operation.cpp for why no end and no cancellation is lost.
#pragma once

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/detail/suspension.hpp>
#include <aya/detail/task_state.hpp>
#include <aya/io/detail/cancellation_target.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <type_traits>

namespace aya::inline v1::detail {
class asio_driver;
}

namespace aya::inline v1::io::detail {

using aya::detail::cancel_walk;
using aya::detail::task_state;

class emission;

class operation : public aya::detail::suspension {
public:
    operation() = default;
    operation(operation&&) noexcept {} // before it is awaited

    [[nodiscard]] cancellation_target::slot slot() noexcept { return cancellation_target::slot(target_); }

    /// The executor for the operation's handlers when its object has `candidate`: that one, or a strand on it.
    template <class Executor>
    [[nodiscard]] Executor executor_for(Executor const& candidate) noexcept {
        if constexpr (std::derived_from<Executor, boost::asio::any_io_executor>) {
            note_executor(candidate);
            return foreign_.load() ? Executor(executor_) : candidate;
        } else {
            if constexpr (std::same_as<Executor, boost::asio::io_context::executor_type>)
                note_context(candidate.context());
            else if constexpr (std::constructible_from<boost::asio::any_io_executor, Executor>)
                if (!noted_)
                    note_serial_executor(candidate);
            return candidate;
        }
    }

    /// The handler has stored the result: the last thing it does.
    void complete() noexcept;
    /// The handler was destroyed without being called.
    void abandon() noexcept;

protected:
    ~operation() = default;

    /// Publishes the wait. False when a cancellation is pending already: the operation must not be started.
    [[nodiscard]] bool begin(task_state& task, std::coroutine_handle<> h);
    /// The operation was started. False when it is over already: the task goes on at once.
    [[nodiscard]] bool started() noexcept;

    /// After the wait; `aborted`: the operation ended by a cancellation. Throws cancelled_error if that was the task's.
    void finish(bool aborted);
    [[nodiscard]] bool abandoned() const noexcept { return abandoned_; }

private:
    friend class emission;

    static constexpr std::uint8_t started_bit = 1;
    static constexpr std::uint8_t completed_bit = 2;
    static constexpr std::uint8_t cancel_bit = 4;

    verdict request_cancel(cancel_walk&) noexcept final;
    void emit() noexcept;
    void close_emission() noexcept;
    [[nodiscard]] bool is_own(boost::asio::any_io_executor const& candidate) const noexcept;
    void note_executor(boost::asio::any_io_executor const& candidate) noexcept;
    void note_serial_executor(boost::asio::any_io_executor const& candidate) noexcept;
    void note_context(boost::asio::io_context& candidate) noexcept;
    void note_foreign() noexcept;
    void count() noexcept;

    std::atomic<std::uint8_t> stage_{0};
    bool refused_ = false;   // never started: a cancellation was pending
    bool abandoned_ = false; // before the wake-up
    bool counted_ = false;   // in clock_source::outside
    bool noted_ = false;     // the executor is known
    std::atomic<bool> foreign_{false}; // executor_ is set, and it is not the runtime's context
    std::atomic<emission*> emission_{nullptr};
    task_state* task_ = nullptr;
    aya::detail::asio_driver* driver_ = nullptr;
    cancellation_target target_;
    boost::asio::any_io_executor executor_;
};

/// Asio's own memory for the operation comes from where frames come from.
template <class T>
struct frame_allocator {
    using value_type = T;

    frame_allocator() = default;
    template <class U>
    frame_allocator(frame_allocator<U> const&) noexcept {}

    [[nodiscard]] T* allocate(std::size_t n) {
        static_assert(alignof(T) <= alignof(std::max_align_t));
        return static_cast<T*>(aya::detail::allocate_frame(n * sizeof(T)));
    }
    void deallocate(T* block, std::size_t n) noexcept { aya::detail::release_frame(block, n * sizeof(T)); }

    template <class U>
    bool operator==(frame_allocator<U> const&) const noexcept {
        return true;
    }
};

/// Whether `error` is a system_error of an aborted operation.
[[nodiscard]] bool is_aborted(std::exception_ptr const& error) noexcept;
[[nodiscard]] bool is_aborted(boost::system::error_code const& code) noexcept;
[[noreturn]] void throw_error(boost::system::error_code const& code);
[[noreturn]] void throw_abandoned();

} // namespace aya::inline v1::io::detail
