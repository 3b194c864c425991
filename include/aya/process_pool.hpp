// SPDX-License-Identifier: Apache-2.0
// process_pool: functions that run in child processes. Not part of aya.hpp, since cereal and <future> are slow to compile.
#pragma once

#include <aya/async_generator.hpp>
#include <aya/detail/awaitable.hpp>
#include <aya/detail/process_function.hpp>
#include <aya/detail/process_job.hpp>
#include <aya/errors.hpp>
#include <aya/process_errors.hpp>
#include <aya/process_pool_main.hpp>
#include <aya/shared_array.hpp>
#include <aya/task_handle.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <future>
#include <memory>
#include <ranges>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace aya::inline v1 {

class process_pool;

namespace detail {

template <auto F, class... Arguments>
concept process_callable = std::is_pointer_v<decltype(F)> && std::is_function_v<std::remove_pointer_t<decltype(F)>> &&
                           process_signature<decltype(F)>::template accepts<Arguments...>;

template <auto F>
using process_result = typename registered<F>::result;

struct process_access;

/// The end of a call for a std::future. It is decoded on the pool's thread.
template <class R>
class promised_process_job final : public process_job {
public:
    using process_job::process_job;

    void ended() noexcept override {
        try {
            if constexpr (std::is_void_v<R>) {
                take<void>();
                promise.set_value();
            } else {
                promise.set_value(take<R>());
            }
        } catch (...) {
            promise.set_exception(std::current_exception());
        }
    }

    std::promise<R> promise;
};

} // namespace detail

/// A call with its arguments, for process_pool_options::initializer. Copyable.
class process_call {
public:
    /// None.
    process_call() = default;

    /// Calls `F(arguments...)`. Throws serialization_error, std::bad_alloc.
    template <auto F, class... Arguments>
        requires detail::process_callable<F, Arguments...>
    [[nodiscard]] static process_call to(Arguments&&... arguments) {
        process_call c;
        c.function_ = &detail::registered<F>::function;
        c.arguments_ = std::make_shared<detail::process_message>();
        detail::registered<F>::signature::encode_arguments(*c.arguments_, false, std::forward<Arguments>(arguments)...);
        return c;
    }

private:
    friend struct detail::process_access;

    detail::process_function const* function_ = nullptr;
    std::shared_ptr<detail::process_message> arguments_;
};

struct process_pool_options {
    /// Most child processes at a time, up to 1024. 0: one for each CPU that the affinity mask and the cgroup quota leave to the process.
    std::size_t max_workers = 0;
    /// A child that has run so many calls is replaced. 0: never.
    std::size_t max_tasks_per_child = 0;
    /// Runs first in each child. When it throws, all calls that wait end with broken_executor.
    process_call initializer = {};
};

/// Child processes that run functions: for work that must be killable, or may crash. Mirrors ProcessPoolExecutor, with one difference: a
/// child that dies takes only the call with it that it had begun, which ends with broken_executor; it is replaced, and no other call is
/// lost or run twice.
///
/// A function is a template argument: `co_await to_process<&f>(pool, x)`. Parameters and results are values that cereal can save and load
/// (include the <cereal/types/...> of those that are no numbers, strings, vectors, pairs or tuples), std::string_view and std::span<T const>
/// as parameters, and shared_array<T>, which goes over without a copy when it is large. Global variables are each process's own, context
/// variables do not go over. The queue of calls is unbounded: map() and semaphores bound it.
///
/// Cost: a small call takes a few microseconds of CPU time, and no system call while both sides are busy. An argument or result of 64 KiB or
/// more holds a descriptor in this process until the call is over, or its result is taken.
///
/// Children are started when they are needed, as processes of this program: see process_pool_main(). They inherit standard output and error,
/// read /dev/null, ignore SIGINT, and die with the parent. Of its other descriptors they get none, close-on-exec or not; 3 is a socket pair's end and 4 a
/// file in memory, both the pool's.
/// Thread safety: everything from any thread, but destroying.
class process_pool {
public:
    /// Throws invalid_state_error when main() has not called process_pool_main(), std::invalid_argument for too many workers,
    /// std::system_error when a descriptor or thread is not to be had.
    explicit process_pool(process_pool_options options = {});
    /// shutdown().
    ~process_pool();
    process_pool(process_pool const&) = delete;
    process_pool& operator=(process_pool const&) = delete;

    /// Runs `F(arguments...)` for a thread outside every runtime. The future has its result or exception, as to_process() would throw it.
    /// Mirrors Executor.submit().
    template <auto F, class... Arguments>
        requires detail::process_callable<F, Arguments...>
    [[nodiscard]] std::future<detail::process_result<F>> submit(Arguments&&... arguments) {
        using result = detail::process_result<F>;
        auto* const job = new detail::promised_process_job<result>(detail::registered<F>::function);
        std::future<result> future = job->promise.get_future();
        job->template encode<typename detail::registered<F>::signature>(std::forward<Arguments>(arguments)...);
        hand_over(*job);
        return future;
    }

    /// Runs F once for each element of `inputs`, which is read only so far ahead that `in_advance` calls are under way (0: 16 for each
    /// worker), and gives the results in order: `auto all = pool.map<&f>(range); while (auto r = co_await all.next())`. The first exception is
    /// thrown by next() in its turn, and ends it; calls under way are cancelled then, and when the generator goes. The range is kept by
    /// value; the pool must outlive the generator. Mirrors Executor.map(buffersize=).
    template <auto F, std::ranges::input_range Range>
        requires detail::process_callable<F, std::ranges::range_reference_t<Range>> && (!std::is_void_v<detail::process_result<F>>)
    [[nodiscard]] async_generator<detail::process_result<F>> map(Range inputs, std::size_t in_advance = 0);

    /// Takes no more calls, waits for those it has, and ends the children. Blocks. Mirrors Executor.shutdown(wait=True).
    void shutdown();
    /// Takes no more calls, ends those it has with broken_executor, and sends SIGTERM to every child. Mirrors terminate_workers().
    void terminate_workers() noexcept;
    /// The same with SIGKILL. Mirrors kill_workers().
    void kill_workers() noexcept;

    [[nodiscard]] std::size_t max_workers() const noexcept;
    /// The process ids of the children that there are. A snapshot.
    [[nodiscard]] std::vector<pid_t> children() const;
    /// How many children were ever started.
    [[nodiscard]] std::uint64_t children_started() const;

private:
    friend struct detail::process_access;

    void hand_over(detail::process_job& job) noexcept;

    std::shared_ptr<detail::process_core> core_;
};

namespace detail {

struct process_access {
    static std::shared_ptr<process_core> core(process_pool const& p) { return p.core_; }
    static process_function const* function(process_call const& c) noexcept { return c.function_; }
    static process_message const* arguments(process_call const& c) noexcept { return c.arguments_.get(); }
};

template <class R>
struct process_window { // of map()
    std::deque<task_handle<R>> calls;
    process_window() = default;
    process_window(process_window const&) = delete;
    process_window& operator=(process_window const&) = delete;
    ~process_window() {
        for (auto const& c : calls)
            c.cancel();
    }
};

} // namespace detail

/// Runs `F(arguments...)` in a child process and gives its result. Throws what the function threw as remote_error; serialization_error when
/// arguments or result cannot be sent; broken_executor when the child dies of it, or does not have the function, or the pool is shut down.
/// Cancellation: the await ends at once; a call that has not begun never runs, one that has is killed with its process, which harms no other
/// call. Mirrors loop.run_in_executor(process_pool, f, args...).
template <auto F, class... Arguments>
    requires detail::process_callable<F, Arguments...>
auto to_process(process_pool& pool, Arguments&&... arguments) {
    detail::process_awaiter<detail::process_result<F>> call(detail::process_access::core(pool), detail::registered<F>::function);
    call.job().template encode<typename detail::registered<F>::signature>(std::forward<Arguments>(arguments)...);
    return call;
}

template <auto F, std::ranges::input_range Range>
    requires detail::process_callable<F, std::ranges::range_reference_t<Range>> && (!std::is_void_v<detail::process_result<F>>)
async_generator<detail::process_result<F>> process_pool::map(Range inputs, std::size_t in_advance) {
    if (in_advance == 0)
        in_advance = 16 * max_workers();
    detail::process_window<detail::process_result<F>> window;
    auto next = std::ranges::begin(inputs);
    auto const end = std::ranges::end(inputs);
    for (;;) {
        for (; window.calls.size() < in_advance && next != end; ++next)
            window.calls.push_back(create_task(to_process<F>(*this, *next)));
        if (window.calls.empty())
            co_return;
        task_handle<detail::process_result<F>> first = std::move(window.calls.front());
        window.calls.pop_front();
        detail::process_result<F> result = co_await std::move(first);
        co_yield std::move(result);
    }
}

} // namespace aya::inline v1
