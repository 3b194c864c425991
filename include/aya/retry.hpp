// SPDX-License-Identifier: Apache-2.0
// retry(): another attempt after a failure, later and later.
#pragma once

#include <aya/detail/callable.hpp>
#include <aya/errors.hpp>
#include <aya/sleep.hpp>
#include <aya/time.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

/// Options of retry(). The pause before retry k is base_delay * 2^(k-1), at most max_delay; of it, the part `jitter` (0 to 1) is random,
/// so that clients that failed together do not come back together.
struct retry_options {
    std::ptrdiff_t max_retries = 3; ///< after the first attempt
    duration base_delay = std::chrono::milliseconds(100);
    duration max_delay = std::chrono::seconds(10);
    double jitter = 0.5;
};

namespace detail {

/// Throws std::invalid_argument.
void check(retry_options const& o);
/// The pause before retry `attempt`, from 1 on.
duration pause_before(retry_options const& o, std::ptrdiff_t attempt) noexcept;

template <class... Errors>
struct any_of {
    bool operator()(std::exception_ptr const& error) const {
        return sizeof...(Errors) == 0 || (is<Errors>(error) || ...);
    }

private:
    template <class Error>
    static bool is(std::exception_ptr const& error) {
        try {
            std::rethrow_exception(error);
        } catch (Error const&) {
            return true;
        } catch (...) {
            return false;
        }
    }
};

template <class Predicate, class F, class... Arguments>
task<task_result<F, Arguments&...>> run_with_retries(retry_options options, Predicate worth_it, F f,
                                                     Arguments... arguments) {
    check(options);
    for (std::ptrdiff_t attempt = 1;; ++attempt) {
        std::exception_ptr error;
        try {
            co_return co_await f(arguments...);
        } catch (cancelled_error const&) {
            throw;
        } catch (fatal_error const&) {
            throw;
        } catch (...) {
            error = std::current_exception();
        }
        if (attempt > options.max_retries || !worth_it(std::as_const(error)))
            std::rethrow_exception(std::move(error));
        error = nullptr; // nothing of the failure is kept over the pause
        co_await sleep(pause_before(options, attempt));
    }
}

} // namespace detail

/// Runs `f(args...)` inside the current task, and again after a pause when it throws one of `Errors` (anything at all when none are named),
/// up to `max_retries` times; then its exception goes through. `retry<timeout_error>({.max_retries = 5}, fetch, url)`. A
/// cancellation or a fatal_error is never retried; a cancellation ends the pause too. The callable and its arguments are kept until
/// the end, and each attempt gets the arguments as lvalues: parameters by value are copies. Throws std::invalid_argument for options
/// out of range.
template <class... Errors, class F, class... Arguments>
    requires detail::coroutine_function<F, Arguments&...>
auto retry(retry_options options, F f, Arguments... arguments) {
    return detail::run_with_retries(options, detail::any_of<Errors...>(), std::move(f), std::move(arguments)...);
}

/// The same for the exceptions of which `worth_it(exception_ptr)` is true.
template <class Predicate, class F, class... Arguments>
    requires std::predicate<Predicate&, std::exception_ptr const&> && detail::coroutine_function<F, Arguments&...>
auto retry_if(Predicate worth_it, retry_options options, F f, Arguments... arguments) {
    return detail::run_with_retries(options, std::move(worth_it), std::move(f), std::move(arguments)...);
}

} // namespace aya::inline v1
