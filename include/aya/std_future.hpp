// SPDX-License-Identifier: Apache-2.0
// submit(): a task whose result arrives in a std::future. Apart from aya.hpp, since <future> is slow to compile.
#pragma once

#include <aya/detail/callable.hpp>
#include <aya/runtime.hpp>

#include <exception>
#include <future>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

namespace detail {

/// A std::promise that tells of a cancellation if it goes unset: a task that was cancelled before its first step.
template <class T>
class std_setter {
public:
    std_setter() = default;
    std_setter(std_setter&&) noexcept = default;
    std_setter& operator=(std_setter&&) = delete;
    ~std_setter() {
        if (open_)
            promise.set_exception(std::make_exception_ptr(cancelled_error()));
    }
    void close() noexcept { open_.value = false; }

    std::promise<T> promise;

private:
    struct flag { // false once moved from
        flag() = default;
        flag(flag&& other) noexcept : value(std::exchange(other.value, false)) {}
        explicit operator bool() const noexcept { return value; }
        bool value = true;
    };
    flag open_;
};

template <class T>
task<> feed(task<T> t, std_setter<T> to) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(t);
            to.close();
            to.promise.set_value();
        } else {
            T result = co_await std::move(t);
            to.close();
            to.promise.set_value(std::forward<T>(result));
        }
    } catch (...) {
        to.close();
        to.promise.set_exception(std::current_exception());
    }
}

} // namespace detail

/// Schedules `t` on `r`, from any thread, and gives a std::future of its result; a cancelled task gives cancelled_error there. Waiting
/// for it on a worker blocks that worker. Throws as runtime::spawn(). To cancel the task, use run_coroutine_threadsafe(). Mirrors
/// concurrent.futures.Executor.submit().
template <class T>
[[nodiscard]] std::future<T> submit(runtime& r, task<T> t) {
    detail::std_setter<T> setter;
    std::future<T> result = setter.promise.get_future();
    (void)r.spawn(detail::feed(std::move(t), std::move(setter)));
    return result;
}
template <class F, class... Arguments>
    requires detail::coroutine_function<F, Arguments...>
[[nodiscard]] auto submit(runtime& r, F f, Arguments... arguments) {
    return submit(r, detail::invoke_stored(std::move(f), std::move(arguments)...));
}

} // namespace aya::inline v1
