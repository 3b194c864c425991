// SPDX-License-Identifier: Apache-2.0
// runtime: the scheduler and its pools as an object, for programs that embed the library. run() is the short form.
#pragma once

#include <aya/detail/awaitable.hpp>
#include <aya/detail/callable.hpp>
#include <aya/executor.hpp>
#include <aya/metrics.hpp>
#include <aya/runtime_options.hpp>
#include <aya/task.hpp>
#include <aya/task_handle.hpp>
#include <aya/time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace aya::inline v1 {

/// What runtime::shutdown() has found. Tasks that began and ended while it looked elsewhere are in no figure.
struct shutdown_report {
    std::size_t completed = 0;     ///< tasks that ended by themselves in time, in whatever way
    std::size_t cancelled = 0;     ///< tasks that were cancelled at the deadline or later, and have ended since, in whatever way
    std::vector<std::string> left; ///< the names of those that were still there at the deadline
};

/// A scheduler with its threads. Several may live in one process; none knows of the others.
/// Thread safety: spawn() and block_on() from any thread that is not one of a runtime's workers.
/// The destructor cancels the tasks that are left, waits until they have ended, and joins every thread.
/// fork(): a runtime belongs to the process that made it. In a child its functions throw invalid_state_error, and its destructor forgets
/// about it without a wait; the child may make runtimes of its own, but to_cpu() fails there once the parent has used it. A task that forks may
/// only go on to exec() or _exit() in the child.
class runtime {
public:
    /// Starts the workers. Throws std::system_error when a thread cannot be started, std::invalid_argument for options that it refuses:
    /// more than 4095 workers, for one.
    explicit runtime(runtime_options options = {});
    ~runtime();
    runtime(runtime const&) = delete;
    runtime& operator=(runtime const&) = delete;

    /// Schedules a task from outside. On an event loop it runs during the next block_on(). For a std::future of its result, see submit() in
    /// std_future.hpp; for one that can be cancelled, run_coroutine_threadsafe(). Throws invalid_state_error once shutdown() was called.
    template <class T>
    task_handle<T> spawn(task<T> t, create_task_options options = {}) {
        task_handle<T> handle = detail::prepare(open_tasks("aya::runtime::spawn"), std::move(t), options);
        start(handle, options.eager_start);
        return handle;
    }
    /// spawn(gather(...)), spawn(timeout(1s, f)).
    template <detail::operation Operation>
    auto spawn(Operation o, create_task_options options = {}) {
        return spawn(detail::run_operation(std::move(o)), options);
    }
    template <class F, class... Arguments>
        requires detail::coroutine_function<F, Arguments...>
    auto spawn(F f, Arguments... arguments) {
        return spawn(detail::invoke_stored(std::move(f), std::move(arguments)...));
    }

    /// Runs `t` to its end and returns its result or throws its exception; throws the fatal_error of whichever task ends by one
    /// meanwhile. Throws invalid_state_error inside a task: await there.
    template <class T>
    T block_on(task<T> t) {
        require_outside("aya::runtime::block_on");
        task_handle<T> const handle = detail::prepare(open_tasks("aya::runtime::block_on"), std::move(t), {});
        run_to_end(handle);
        return detail::take_result(handle);
    }
    template <detail::operation Operation>
    auto block_on(Operation o) {
        return block_on(detail::run_operation(std::move(o)));
    }
    template <class F, class... Arguments>
        requires detail::coroutine_function<F, Arguments...>
    auto block_on(F f, Arguments... arguments) {
        return block_on(detail::invoke_stored(std::move(f), std::move(arguments)...));
    }

    /// Blocks the calling thread until the task is done. Throws as block_on(), except for the task's own exception; std::invalid_argument when the
    /// task is another runtime's.
    void wait(detail::handle_base const& handle);

    /// Ends the waits of block_on(), wait() and run() that are under way, as if their tasks had failed: they throw invalid_state_error. An
    /// event loop stops after its current turn, until it is driven again; the workers of a thread pool go on. Any thread, and any task.
    /// False when nobody waits. Mirrors loop.stop().
    bool stop() noexcept;

    /// Ends the runtime's work in good order: refuses tasks from outside from now on, lets those that are there run on until `deadline` (on the
    /// runtime's clock), cancels what is left then, and waits until it has ended; tasks may still start others meanwhile, and other threads
    /// post callbacks. Afterwards those are refused too, and only the destructor is left to call. Throws invalid_state_error inside a
    /// task. Any number of times, from any thread: the first call counts, the others wait for it and give the same report.
    shutdown_report shutdown(time_point deadline);
    /// The same with a time from now; of zero, everything is cancelled at once.
    template <class Representation, class Period>
    shutdown_report shutdown(std::chrono::duration<Representation, Period> grace) {
        return shutdown_after(detail::to_duration(grace, "aya::runtime::shutdown: grace"));
    }

    // --- runtime_options::driven_by_host. On the thread that made the runtime, outside tasks; otherwise these throw invalid_state_error. ---

    /// Runs one turn of the event loop: timers that are due, and what was ready when the turn began. Never waits. Returns how many steps
    /// of tasks and callbacks it ran. Throws the fatal_error of a task that ends by one meanwhile. Under virtual time the clock stands still.
    std::size_t poll();
    /// Runs turns until the time is over, and waits for work in between. Returns and throws as poll(); returns early after stop().
    template <class Representation, class Period>
    std::size_t run_for(std::chrono::duration<Representation, Period> d) {
        return drive_for(detail::to_duration(d, "aya::runtime: the time to run for"));
    }
    /// When poll() has something to do next, unless another thread posts before: now() if it has already, nothing if it waits for
    /// posts alone.
    [[nodiscard]] std::optional<time_point> next_deadline() const;
    /// A descriptor that is readable while poll() has something to do: for poll(2), epoll, or the main loop of a GUI toolkit. Work from
    /// any thread and timers that come due make it readable, the poll() that finds nothing more makes it quiet. It is the runtime's: neither
    /// read it nor close it. Closed on exec().
    [[nodiscard]] int descriptor() const;

    /// Whether debug mode is on. Mirrors loop.get_debug().
    [[nodiscard]] bool debug() const noexcept;

    /// The scheduler as an executor, for resume_on(), and for tasks of other runtimes. The runtime must outlive what uses it.
    [[nodiscard]] any_executor executor() const noexcept;

    /// Counters and sizes, read while everything runs on. Any thread; not after shutdown() in another one. Counting is always on, and costs one or
    /// two instructions a task; histograms need runtime_options::histograms.
    [[nodiscard]] runtime_metrics metrics() const;

    /// Workers of the thread pool; 1 for an event loop.
    [[nodiscard]] std::size_t worker_count() const noexcept;

private:
    friend struct detail::runtime_access;

    static void require_outside(char const* what);
    [[nodiscard]] detail::scheduler& tasks() noexcept;
    /// Throws invalid_state_error when no task may come from outside; `what` names the caller.
    [[nodiscard]] detail::scheduler& open_tasks(char const* what);
    /// Schedules what was prepared; throws as open_tasks() if that has changed.
    void start(detail::handle_base const& prepared, bool eagerly);
    /// The same, and waits as wait() does; the first step finds somebody who waits already.
    void run_to_end(detail::handle_base const& prepared);
    shutdown_report shutdown_after(duration grace);
    std::size_t drive_for(duration d);

    std::unique_ptr<detail::runtime_core> core_;
};

namespace detail {
struct runtime_access {
    static scheduler& tasks(runtime& r) noexcept { return r.tasks(); }
    static runtime_core& core(runtime& r) noexcept { return *r.core_; }
    static void require_outside(char const* what) { runtime::require_outside(what); }
    static scheduler& open_tasks(runtime& r, char const* what) { return r.open_tasks(what); }
    static void run_to_end(runtime& r, handle_base const& prepared) { r.run_to_end(prepared); }
};
} // namespace detail

} // namespace aya::inline v1
