// SPDX-License-Identifier: Apache-2.0
// The promise of task<T>: who goes on when the coroutine ends, which task it runs in, and its result.
#pragma once

#include <aya/config.hpp>
#include <aya/errors.hpp>
#include <aya/detail/fork.hpp>
#include <aya/detail/frame_memory.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/detail/slot.hpp>
#include <aya/detail/task_state.hpp>
#include <aya/fwd.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

namespace aya::inline v1::detail {

#if AYA_TRAMPOLINE
// Leaves the next coroutine to the loop that resumed this one, so that the stack stays flat.
using transfer_result = void;
inline void transfer(std::coroutine_handle<> next) noexcept { this_thread()->transfer = next; }
inline void transfer_nowhere() noexcept {}
inline void transfer_if_any(std::coroutine_handle<> next) noexcept { this_thread()->transfer = next; }
#else
// The tag becomes part of the name of each function that returns this: a program may have files compiled both ways, and a coroutine of
// one must not be linked with an await_suspend of the other. Between the two kinds of coroutine, each way of going on works.
struct [[gnu::abi_tag("direct")]] direct {};
using transfer_result = std::coroutine_handle<direct>;
inline transfer_result transfer(std::coroutine_handle<> next) noexcept { return transfer_result::from_address(next.address()); }
inline transfer_result transfer_nowhere() noexcept { return transfer(std::noop_coroutine()); }
inline transfer_result transfer_if_any(std::coroutine_handle<> next) noexcept { return next ? transfer(next) : transfer_nowhere(); }
#endif

template <class T>
class typed_state;
template <class T>
struct typed_child;

/// As allocate_frame_slowly(). In debug mode, all coroutines come by here, and it is noted where they are made.
[[nodiscard]] void* allocate_coroutine_slowly(std::size_t size); // lib/executors/creations.cpp

struct promise_base {
    std::coroutine_handle<> continuation; // the coroutine that awaits this one; null for a task's outermost one
    task_pointer task;
    std::exception_ptr error;
    // The co_await that it has come to, for those who look from outside; before the first one, where it is written. Each await_suspend() of the
    // library notes it: the default of its last parameter is the place of the co_await.
    std::source_location where;

    std::suspend_always initial_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept; // lib/task/snapshot.cpp

    static void* operator new(std::size_t size) {
        return std::assume_aligned<frame_alignment>(allocate_frame<&allocate_coroutine_slowly>(size));
    }
    static void operator delete(void* frame, std::size_t size) noexcept { release_frame(frame, size); }

    static constexpr std::size_t frame_alignment = alignof(std::max_align_t);
};

[[noreturn]] void throw_misplaced_frame(std::source_location const& where);

/// The handle of the coroutine that `p` belongs to, for get_return_object(); `where` is where it is written.
/// g++ 12 puts something in front of the frame of a coroutine that awaits in a condition and declares no variable. Nothing can resume it then, and
/// throwing here is better than waiting for it in silence. That the frame begins where its block does is known when a sound one is compiled.
template <class Promise>
std::coroutine_handle<Promise> handle_of(Promise& p, [[maybe_unused]] std::source_location const& where) {
    auto const handle = std::coroutine_handle<Promise>::from_promise(p);
#if defined(__GNUC__) && !defined(__clang__)
    if (reinterpret_cast<std::uintptr_t>(handle.address()) % promise_base::frame_alignment != 0) [[unlikely]]
        throw_misplaced_frame(where);
#endif
    return handle;
}

template <class T>
struct promise;

/// What a coroutine does at its end. One that is awaited suspends there, and the awaiting one goes on. The outermost one of a task has left its
/// result to the task, if it has one, and simply ends: run_step() sees to the task once the frame is gone. If it has failed it suspends, so that
/// its frame can go before anybody hears of it.
struct final_awaiter {
    bool task_has_result;

    bool await_ready() const noexcept { return task_has_result; }
    template <class T>
    transfer_result await_suspend(std::coroutine_handle<promise<T>> self) const noexcept {
        promise_base& p = self.promise();
        if (p.continuation) [[likely]]
            return transfer(p.continuation);
        return transfer(end_failed(self, p));
    }
    void await_resume() const noexcept {}

private:
    static std::coroutine_handle<> end_failed(std::coroutine_handle<> self, promise_base& p) noexcept; // lib/task/task_state.cpp
};

template <class T>
struct promise_result : promise_base {
    static_assert(std::is_reference_v<T> || alignof(std::remove_reference_t<T>) <= alignof(std::max_align_t),
                  "aya::task<T>: T is over-aligned, and compilers do not align coroutine frames for it; "
                  "return a std::unique_ptr to it instead");
    slot<T> value;

    template <class U = T>
        requires std::convertible_to<U&&, T> || std::constructible_from<T, U&&>
    void return_value(U&& result) {
        value.emplace(std::forward<U>(result));
    }
};

template <>
struct promise_result<void> : promise_base {
    slot<void> value;

    void return_void() noexcept {}
};

template <class T>
struct promise final : promise_result<T> {
    aya::task<T> get_return_object(std::source_location here = std::source_location::current()); // in task.hpp
    final_awaiter final_suspend() noexcept { return {!this->continuation && hand_over()}; }

private:
    bool hand_over() noexcept;
};

/// Whether `error` holds a cancelled_error.
[[nodiscard]] ending classify(std::exception_ptr const& error) noexcept;
[[nodiscard]] bool is_fatal(std::exception_ptr const& error) noexcept;

/// A task with its result.
template <class T>
class typed_state final : public task_state {
public:
    typed_state(scheduler& home, std::coroutine_handle<promise<T>> frame, visibility v) : task_state(home, frame, v) {
        frame.promise().task = *this;
    }

    /// A future's. The references are the setter's and the first handle's.
    explicit typed_state(scheduler& home) : task_state(home, nullptr, visibility::future) {}

    /// Fills in a future's result, which the caller has claimed, and ends it. False when it was cancelled meanwhile. Throws what
    /// the construction throws; the future is pending then, as before.
    template <class... Arguments>
    bool set(Arguments&&... arguments) {
        try {
            value_.emplace(std::forward<Arguments>(arguments)...);
        } catch (...) {
            unclaim_result();
            throw;
        }
        return complete(ending::returned, nullptr);
    }

    ~typed_state() override {
        if constexpr (!std::is_trivially_destructible_v<T> && !std::is_void_v<T>)
            no_longer_current();
    }

    /// Takes over the result of the coroutine, which ends now. Throws what moving it throws.
    void take_over(promise<T>& p) {
        if constexpr (!std::is_void_v<T>)
            value_.emplace(p.value.take());
    }

    /// The result of a done task; its exception is thrown. `decltype(auto)`: T const&, or T& when T is a reference.
    /// Throws invalid_state_error when take() has moved it out.
    decltype(auto) get() {
        mark_retrieved();
        if (how() != ending::returned) [[unlikely]]
            std::rethrow_exception(error());
        if constexpr (moves_out)
            if (taken_.load()) [[unlikely]]
                throw_taken();
        return value_.get();
    }
    /// As get(), moving the result out: for one caller, whoever comes first.
    T take() {
        mark_retrieved();
        if (how() != ending::returned) [[unlikely]]
            std::rethrow_exception(error());
        if constexpr (moves_out)
            if (taken_.exchange(true)) [[unlikely]]
                throw_taken();
        return value_.take();
    }

private:
    /// Whether a moved-from T may look different: then everybody else hears of it.
    static constexpr bool moves_out = !std::is_void_v<T> && !std::is_reference_v<T> && !std::is_trivially_copyable_v<T>;
    struct never {};

    [[noreturn]] static void throw_taken() { throw_invalid_state("aya: the result of the task or future was moved out already"); }

    [[no_unique_address]] slot<T> value_;
    [[no_unique_address]] std::conditional_t<moves_out, std::atomic<bool>, never> taken_{};
};

/// A child of a gather with its result.
template <class T>
struct typed_child final : forked_child {
    using forked_child::forked_child;

    /// As typed_state<T>::take_over().
    void take_over(promise<T>& p) {
        if constexpr (!std::is_void_v<T>)
            value.emplace(p.value.take());
    }

    [[no_unique_address]] slot<T> value;
};

/// The result goes to the task, which run_step() ends afterwards. False if there is none, but an error. Not inlined: it asks which thread it is on.
template <class T>
[[gnu::noinline]] bool promise<T>::hand_over() noexcept {
    if (this->error) [[unlikely]]
        return false;
    try {
        if (this->task.is_child())
            static_cast<typed_child<T>&>(this->task.as_child()).take_over(*this);
        else
            static_cast<typed_state<T>&>(*this->task).take_over(*this);
    } catch (...) {
        this->error = std::current_exception();
        return false;
    }
    current_thread->ended = this->task;
    return true;
}

template <class Promise>
concept task_promise = std::derived_from<Promise, promise_base>;

} // namespace aya::inline v1::detail
