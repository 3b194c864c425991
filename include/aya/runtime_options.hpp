// SPDX-License-Identifier: Apache-2.0
// What a runtime is made with, and what it reports.
#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aya::inline v1 {

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
    std::string created = {};     ///< in debug mode, the stack where the task was created, a line a call; else empty
    /// In debug mode, a line for each coroutine: those that the exception came through, innermost first, or where a task stands. Else empty.
    std::string stack = {};
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
    /// Debug mode: reports say where a task was created and which coroutines an exception came through; steps that take long are reported, also
    /// while they still run, coroutines that are dropped unawaited (by threads of no runtime too, to the last one made in debug mode), tasks that are
    /// alive at the end, and deadlocks, while a thread waits for a task, or tasks wait in a circle: none is reported of tasks that wait for a promise, an
    /// event, a queue and the like when the process has threads, besides this runtime's workers, those that wait for it, and idle ones of its pools, any
    /// of which may end that. Task trees say how long each task has waited, and gathers run each child as a task. The exception handler must outlive
    /// threads that drop coroutines. A thread of no runtime notes where it makes them when it has used up the free memory that it had at hand when debug mode
    /// began: until then the stack in such a report may be missing, or that of an earlier coroutine. Unset: as the environment has it (AYA_DEBUG=1). Costs
    /// a stack trace for each coroutine, a few hundred nanoseconds a step, and a thread that sleeps. Mirrors loop.set_debug().
    std::optional<bool> debug = {};
    /// In debug mode a step of a task, or a callback, that holds its thread for so long or longer is reported. Mirrors
    /// loop.slow_callback_duration.
    std::chrono::nanoseconds slow_callback_duration = std::chrono::milliseconds(100);
    /// Called for reports, one at a time, from any thread; must not throw. Empty: a line on standard error. Mirrors set_exception_handler().
    std::function<void(exception_report const&)> exception_handler = {};

    // --- for those who want to look inside ---

    /// Measure how long steps take, and how long woken tasks wait for a worker, for runtime::metrics(). Costs three readings of the clock a step.
    bool histograms = false;
    /// Answer `aya-ps PID`, and ask for the task tree and the metrics on a Unix socket that this user alone can open. Unset: as the
    /// environment has it (AYA_INSPECT=1). Costs a thread that sleeps. What cannot be set up is reported, and the runtime goes on.
    std::optional<bool> inspection = {};
    /// A signal on which the task trees of all runtimes that ask for it, 64 at most, are written to standard error: SIGUSR1, say. 0: none. Its
    /// handler is the library's from then on, in a forked child too, where it does nothing. Costs a thread that sleeps.
    int dump_signal = 0;
    /// Record a trace from the beginning, and write it there at the runtime's end; see <aya/trace.hpp>. Empty: as the environment has it
    /// (AYA_TRACE=file.json; %p in the variable is the process's number).
    std::string trace_file = {};

    // --- for a host program. runtime's constructor refuses what does not fit with std::invalid_argument. ---

    /// What debuggers and top(1) show: workers are called `<name>-<index>`, threads of the blocking pool `<name>-b<number>`. 1 to 10
    /// bytes, since the kernel keeps 15.
    std::string name = "aya";
    /// Called on each worker of the thread pool before its first task and after its last one, with the worker's index; not on the threads
    /// of the other pools, nor for an event loop, which runs on its caller's thread. Several workers call at once. What it throws goes to the exception
    /// handler, and the worker goes on. The runtime may not be used in it: it is not complete yet, or no longer.
    std::function<void(std::size_t worker)> on_thread_start = {};
    std::function<void(std::size_t worker)> on_thread_stop = {};
    /// Worker i runs on CPU `affinity[i % affinity.size()]` alone. Empty: where the kernel puts it. Each CPU has to be in the affinity mask
    /// of the thread that makes the runtime; threads behind to_thread() and to_cpu() have that mask, but threads that a task starts inherit the
    /// worker's CPU. Not for an event loop.
    std::vector<std::size_t> affinity = {};
    /// Start a worker's thread when there is first something to do for it, instead of all with the runtime. One that cannot be started
    /// then is reported, and tried again when it is wanted next.
    bool lazy_workers = false;
    /// Coroutine frames and the like come from caches that keep what was once in use for the next time. Beyond so many bytes, new blocks come
    /// from the heap one by one, and go back there, except for two times 64 blocks a size and thread. Slower where the number of tasks swings
    /// widely. The caches are the process's: the smallest limit of its runtimes holds from then on, and what the caches have already stays.
    std::optional<std::size_t> frame_memory_limit = {};
    /// The event loop has no thread at all: the thread that makes the runtime calls poll() or run_for() from its own main loop, when
    /// descriptor() or next_deadline() say so. Only there do tasks run; other threads that wait for one wait until the host has driven it.
    /// The first I/O operation starts one thread, which waits for sockets and makes the descriptor ready; it runs no task.
    bool driven_by_host = false;
};

} // namespace aya::inline v1
