// SPDX-License-Identifier: Apache-2.0
// run_coroutine_threadsafe(): a task started, waited for and cancelled by a thread that is no worker.
#pragma once

#include <aya/detail/callable.hpp>
#include <aya/future.hpp>
#include <aya/runtime.hpp>
#include <aya/task_handle.hpp>

#include <chrono>
#include <concepts>
#include <exception>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

namespace detail {
/// Blocks the calling thread until `t` is done, at most for `limit`. False when that is over.
[[nodiscard]] bool block_until_done(task_state& t, std::optional<duration> limit);
} // namespace detail

/// A task as a thread outside the runtime sees it: its waits block the thread. Copyable; dropping it leaves the task alone. An event loop
/// runs tasks only while some thread is in run(), runtime::block_on() or runtime::wait(). Mirrors concurrent.futures.Future.
/// Thread safety: as task_handle.
template <class T>
class concurrent_future {
public:
    concurrent_future() = default;
    explicit concurrent_future(task_handle<T> h) noexcept : handle_(std::move(h)) {}

    [[nodiscard]] bool done() const noexcept { return handle_.done(); }
    [[nodiscard]] bool cancelled() const noexcept { return handle_.cancelled(); }
    /// Cancels the task; see task_handle::cancel().
    bool cancel(std::string_view message = {}) const { return handle_.cancel(message); }

    /// Blocks until the task is done. Throws invalid_state_error on a worker, which it would block: await handle() there.
    void wait() const { (void)block(std::nullopt); }
    /// The same for at most `d`; false when it is not done by then.
    template <class Representation, class Period>
    bool wait_for(std::chrono::duration<Representation, Period> d) const {
        return block(detail::to_duration(d, "aya::concurrent_future::wait_for: the time"));
    }

    /// Blocks, then gives the result or throws the task's exception, any number of times.
    decltype(auto) get() const {
        wait();
        return handle_.result();
    }
    /// The same for at most `d`; throws timeout_error then, and leaves the task alone.
    template <class Representation, class Period>
    decltype(auto) get(std::chrono::duration<Representation, Period> d) const {
        if (!wait_for(d))
            throw timeout_error();
        return handle_.result();
    }
    /// Blocks, then gives the exception: see task_handle::exception().
    [[nodiscard]] std::exception_ptr exception() const {
        wait();
        return handle_.exception();
    }

    /// For tasks that want to await it.
    [[nodiscard]] task_handle<T> const& handle() const noexcept { return handle_; }

private:
    bool block(std::optional<duration> limit) const {
        if (done())
            return true;
        detail::runtime_access::require_outside("aya::concurrent_future");
        return detail::block_until_done(*detail::handle_access::checked(handle_), limit);
    }

    task_handle<T> handle_;
};

/// Schedules `t` on `r`, from any thread, and gives a future to block on. Mirrors asyncio.run_coroutine_threadsafe().
template <class T>
concurrent_future<T> run_coroutine_threadsafe(runtime& r, task<T> t) {
    return concurrent_future<T>(r.spawn(std::move(t)));
}
template <class F, class... Arguments>
    requires detail::coroutine_function<F, Arguments...>
auto run_coroutine_threadsafe(runtime& r, F f, Arguments... arguments) {
    return run_coroutine_threadsafe(r, detail::invoke_stored(std::move(f), std::move(arguments)...));
}

/// A future of this thread's runtime for a task of any runtime: its end becomes the future's, and cancelling the future cancels the task.
/// The result is copied. When the task's runtime goes first, the future ends with what the task ended with, or with broken_promise.
/// Throws invalid_state_error outside a runtime. Mirrors asyncio.wrap_future().
template <class T>
    requires std::is_void_v<T> || std::copy_constructible<T>
future<T> wrap_future(concurrent_future<T> const& source) {
    promise<T> p;
    future<T> wrapped = p.get_future();
    auto pass_on = [p = std::move(p)](task_handle<T> const& h) {
        if (h.cancelled()) {
            p.cancel();
        } else if (std::exception_ptr error = h.exception()) {
            p.try_set_exception(std::move(error)); // dropped, as is a result, if the future was cancelled meanwhile
        } else if constexpr (std::is_void_v<T>) {
            p.try_set_value();
        } else {
            try {
                p.try_set_value(h.result());
            } catch (...) { // somebody has moved it out, or the copy fails
                p.try_set_exception(std::current_exception());
            }
        }
    };
    if (source.handle().done()) { // its runtime may be gone
        pass_on(source.handle());
        return wrapped;
    }
    (void)source.handle().add_done_callback(std::move(pass_on));
    (void)wrapped.add_done_callback([source](future<T> const& f) {
        if (f.cancelled())
            source.cancel();
    });
    return wrapped;
}

} // namespace aya::inline v1
