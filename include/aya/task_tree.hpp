// SPDX-License-Identifier: Apache-2.0
// The tasks of a runtime, what each waits for, and who waits for whom: as data, as text, and as JSON.
#pragma once

#include <aya/task_handle.hpp>
#include <aya/time.hpp>

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace aya::inline v1 {

class runtime;

/// A coroutine, and the co_await that it stands at; before its first one, where it is written: the line of its beginning, with g++ of its end.
struct task_frame {
    std::string function;
    std::string file;
    std::uint32_t line = 0;

    /// "function (file:line)"
    [[nodiscard]] std::string text() const;
};

/// What a task does.
enum class task_phase : std::uint8_t {
    ready,   ///< it runs, or is queued to run
    waiting, ///< for what `waits_for` says
    future,  ///< a future that is not set: it has no coroutine
    done
};

/// One task at one moment.
struct task_info {
    std::uint64_t id = 0;
    std::string name;
    task_phase phase = task_phase::done;
    std::string waits_for;                ///< "sleep", "queue::get 0x7f12ab", "gather of 3 tasks", "I/O: receive on fd 7", ...; empty unless it waits
    std::vector<std::uint64_t> awaits;    ///< ids of the tasks that it waits for
    std::optional<duration> time_left;    ///< of a sleep
    std::optional<duration> waiting_time; ///< how long it has waited; in debug mode
    bool from_outside = false;            ///< what it waits for may come from outside the runtime: a thread, a socket, a process
    bool cancel_pending = false;          ///< cancelled_error is thrown at its next suspension
    std::uint32_t cancel_requests = 0;    ///< as task_handle::cancelling()
    std::vector<task_frame> stack;        ///< while it waits, its coroutines, innermost first. Those of the library itself are left out
    bool whole_stack = true;              ///< false: there are more than 100; those further out are left out
    std::string created;                  ///< in debug mode, the stack where it was created, a line a call

    /// "name (#id): waits for ..., ..." without stack.
    [[nodiscard]] std::string text() const;
};

/// What capture_tasks() gives.
struct task_tree {
    std::vector<task_info> tasks; ///< oldest first

    /// The tasks that nobody waits for, each with its stack, and below it those that it waits for. A task that several wait for is
    /// described once. Tasks that wait for each other in a circle come last, under a line that says so. Mirrors `python -m asyncio pstree`.
    [[nodiscard]] std::string text() const;
    /// {"tasks": [{"id": 1, "name": ..., "phase": ..., "waits_for": ..., "awaits": [...], "stack": [{"function", "file", "line"}, ...], ...}]},
    /// times in seconds.
    [[nodiscard]] std::string json() const;
};

/// Every task that is not done, and what they await. Any thread. The runtime runs on: each task is read under its own lock, for about a
/// microsecond, one after another; so two tasks may be seen at moments that lie a little apart. Forked children of a gather are seen once
/// they have been suspended (in debug mode, always). Cost: about 2 us a task. Throws std::bad_alloc.
[[nodiscard]] task_tree capture_tasks(runtime& rt);
/// Those of the runtime whose task calls. Throws invalid_state_error outside one.
[[nodiscard]] task_tree capture_tasks();

/// Writes the tree as text.
void dump_tasks(runtime& rt, std::ostream& out);
void dump_tasks(std::ostream& out);

/// A task and, recursively, those that wait for it. Mirrors asyncio.FutureCallGraph.
struct call_graph {
    task_info task;
    std::vector<call_graph> awaited_by;
    bool seen_above = false; ///< it occurs before, with who waits for it; here it is not followed again
    bool cut = false;        ///< somebody waits for it, but it is 500 levels deep: the graph ends here
};

/// The graph of a task that another one looks at; in a task of the same runtime, else invalid_state_error. Each task is followed
/// once, however many ways lead to it. Looks at every task of the runtime. Mirrors asyncio.capture_call_graph().
[[nodiscard]] call_graph capture_call_graph(any_task_handle const& of);

namespace detail {

class [[nodiscard]] call_graph_awaiter {
public:
    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) noexcept {
        h.promise().where = where;
        here_ = h;
        return false;
    }
    call_graph await_resume() const;

private:
    std::coroutine_handle<> here_;
};

} // namespace detail

/// `co_await capture_call_graph()`: the graph of the task that calls, with its stack up to here. Does not suspend.
inline detail::call_graph_awaiter capture_call_graph() noexcept { return {}; }

/// The graph as text, an awaiting task a level below the awaited one. Mirrors asyncio.format_call_graph() and print_call_graph().
[[nodiscard]] std::string format_call_graph(call_graph const& graph);
void print_call_graph(call_graph const& graph, std::ostream& out);

} // namespace aya::inline v1
