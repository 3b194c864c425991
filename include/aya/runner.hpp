// SPDX-License-Identifier: Apache-2.0
// runner: several mains, one after another, in one runtime.
#pragma once

#include <aya/context.hpp>
#include <aya/run.hpp>

#include <optional>
#include <utility>

namespace aya::inline v1 {

/// run() in pieces: `runner r; r.run(setup()); r.run(serve());`. What the first main leaves behind, tasks and context variables included, is
/// there for the next; the tasks are cancelled and awaited when the runner closes. Mirrors asyncio.Runner. Thread safety: one thread at a time.
class runner {
public:
    /// Starts the runtime. Throws as runtime().
    explicit runner(runtime_options options = {}) : runtime_(std::in_place, std::move(options)) {}
    runner(runner const&) = delete;
    runner& operator=(runner const&) = delete;

    /// Runs `main` to its end, and returns its result or throws its exception, as run() does; Ctrl-C cancels it. Throws
    /// invalid_state_error inside a task, and after close().
    template <class T>
    T run(task<T> main) {
        return detail::run_main(get_runtime(), std::move(main), {.context = &context_});
    }
    template <class F, class... Arguments>
        requires detail::coroutine_function<F, Arguments...>
    auto run(F f, Arguments... arguments) {
        return run(detail::invoke_stored(std::move(f), std::move(arguments)...));
    }

    /// The runtime, for spawn() and the like. Throws invalid_state_error after close(). Mirrors Runner.get_loop().
    [[nodiscard]] runtime& get_runtime() {
        if (!runtime_)
            detail::throw_invalid_state("aya::runner: closed");
        return *runtime_;
    }

    /// Cancels the tasks that are left, waits for them, and ends the runtime. A second call does nothing; the destructor does the same.
    void close() { runtime_.reset(); }

private:
    context context_ = copy_context();
    std::optional<runtime> runtime_;
};

} // namespace aya::inline v1
