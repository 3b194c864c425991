// SPDX-License-Identifier: Apache-2.0
// runtime: the scheduler and its pools as an object, for programs that embed the library. run() is the short form.
#pragma once

#include <aya/detail/callable.hpp>
#include <aya/task.hpp>
#include <aya/task_handle.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace aya {

/// Which scheduler runs the tasks.
enum class scheduler_kind {
    thread_pool, ///< work stealing on several workers
    event_loop   ///< asyncio's design: one thread, the one that waits in run() or block_on()
};

/// Something that went wrong where nobody awaits it.
struct exception_report {
    std::string_view message;     ///< what happened
    std::string task_name;        ///< to whom
    std::exception_ptr exception; ///< may be null
};

struct runtime_options {
    scheduler_kind scheduler = scheduler_kind::thread_pool;
    /// Workers of the thread pool. 0: one for each CPU that the affinity mask and the cgroup quota leave to the process.
    std::size_t workers = 0;
    /// Threads of the CPU pool behind to_cpu(). 0: as many as there are usable CPUs.
    std::size_t cpu_threads = 0;
    /// Most threads of the blocking pool behind to_thread(). 0: min(32, usable CPUs + 4).
    std::size_t blocking_threads = 0;
    /// Time stands still while anything runs, and jumps to the next deadline when all is idle. For tests.
    bool virtual_time = false;
    /// Called for reports, one at a time, from any thread; must not throw. Empty: a line on standard error. Mirrors set_exception_handler().
    std::function<void(exception_report const&)> exception_handler = {};
};

/// A scheduler with its threads. Several may live in one process; none knows of the others.
/// Thread safety: spawn() and block_on() from any thread that is not one of a runtime's workers.
/// The destructor cancels the tasks that are left, waits until they have ended, and joins every thread.
class runtime {
public:
    /// Starts the workers. Throws std::system_error when a thread cannot be started, std::invalid_argument for more than 4095 workers.
    explicit runtime(runtime_options options = {});
    ~runtime();
    runtime(runtime const&) = delete;
    runtime& operator=(runtime const&) = delete;

    /// Schedules a task from outside. On an event loop it runs during the next block_on().
    template <class T>
    task_handle<T> spawn(task<T> t, create_task_options options = {}) {
        return detail::spawn(tasks(), std::move(t), options.name);
    }
    template <class F, class... Arguments>
        requires detail::coroutine_function<F, Arguments...>
    auto spawn(F f, Arguments... arguments) {
        return spawn(detail::invoke_stored(std::move(f), std::move(arguments)...));
    }

    /// Runs `t` to its end and returns its result or throws its exception. Throws invalid_state_error inside a task: await there.
    template <class T>
    T block_on(task<T> t) {
        require_outside("aya::runtime::block_on");
        task_handle<T> const handle = spawn(std::move(t));
        wait(handle);
        return detail::take_result(handle);
    }
    template <class F, class... Arguments>
        requires detail::coroutine_function<F, Arguments...>
    auto block_on(F f, Arguments... arguments) {
        return block_on(detail::invoke_stored(std::move(f), std::move(arguments)...));
    }

    /// Blocks the calling thread until the task is done. Throws invalid_state_error inside a task.
    void wait(detail::handle_base const& handle);

    /// Workers of the thread pool; 1 for an event loop.
    [[nodiscard]] std::size_t worker_count() const noexcept;

private:
    static void require_outside(char const* what);
    [[nodiscard]] detail::scheduler& tasks() noexcept;

    std::unique_ptr<detail::runtime_core> core_;
};

} // namespace aya
