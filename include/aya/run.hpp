// SPDX-License-Identifier: Apache-2.0
// run(): a program's one call into the library.
#pragma once

#include <aya/runtime.hpp>

#include <utility>

namespace aya::inline v1 {

namespace detail {

/// While it lives, SIGINT cancels `main` instead of ending the process; a second SIGINT ends it. Does nothing where the program
/// has a handler of its own, or another run() has one in place.
class interrupt_guard {
public:
    explicit interrupt_guard(handle_base const& main);
    ~interrupt_guard();
    interrupt_guard(interrupt_guard const&) = delete;
    interrupt_guard& operator=(interrupt_guard const&) = delete;

    /// Throws keyboard_interrupt if SIGINT arrived and the task ended cancelled because of it alone, or was done already. SIGINT is as before from
    /// here on.
    void rethrow(handle_base const& main);

private:
    void stop() noexcept;

    struct watch;
    std::unique_ptr<watch> watch_;
};

/// Runs `main` in `r`, with Ctrl-C.
template <class T>
T run_main(runtime& r, task<T> main, create_task_options options = {}) {
    runtime_access::require_outside("aya::run");
    task_handle<T> const handle = prepare(runtime_access::open_tasks(r, "aya::run"), std::move(main), options);
    {
        interrupt_guard interrupts(handle);
        runtime_access::run_to_end(r, handle);
        interrupts.rethrow(handle);
    }
    return take_result(handle);
}

} // namespace detail

/// Makes a runtime, runs `main` in it, cancels the tasks that are left and waits for them, and returns main's result or throws its
/// exception, or the fatal_error of any task. Ctrl-C cancels the main task; run() then throws keyboard_interrupt. Throws invalid_state_error inside a task: await
/// there. Mirrors asyncio.run().
template <class T>
T run(task<T> main, runtime_options options = {}) {
    if (detail::this_thread() != nullptr)
        detail::throw_invalid_state("aya::run: called inside a task, where it would block a worker; use co_await instead");
    runtime r(std::move(options));
    return detail::run_main(r, std::move(main));
}

/// run(gather(...)), run(timeout(1s, f)).
template <detail::operation Operation>
auto run(Operation o, runtime_options options = {}) {
    return run(detail::run_operation(std::move(o)), std::move(options));
}

/// run(f, args...): the callable and its arguments live until the end.
template <class F, class... Arguments>
    requires detail::coroutine_function<F, Arguments...>
auto run(F f, Arguments... arguments) {
    return run(detail::invoke_stored(std::move(f), std::move(arguments)...));
}
template <class F, class... Arguments>
    requires detail::coroutine_function<F, Arguments...>
auto run(runtime_options options, F f, Arguments... arguments) {
    return run(detail::invoke_stored(std::move(f), std::move(arguments)...), std::move(options));
}

} // namespace aya::inline v1
