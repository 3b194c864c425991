// SPDX-License-Identifier: Apache-2.0
// Every exception that the library throws by itself, except exception_group.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace aya::inline v1 {

/// Thrown at the suspension point of a task that was asked to stop. Mirrors asyncio.CancelledError.
/// Not derived from std::exception, so that `catch (std::exception const&)` cannot swallow it. A `catch (...)` block must
/// rethrow what it does not know.
class cancelled_error {
public:
    cancelled_error() = default;
    explicit cancelled_error(std::string message) : message_(std::move(message)) {}

    /// The text given to task_handle::cancel(), or an empty string.
    [[nodiscard]] std::string const& message() const noexcept { return message_; }
    [[nodiscard]] char const* what() const noexcept { return message_.empty() ? "cancelled" : message_.c_str(); }

private:
    std::string message_;
};

/// A deadline passed: thrown by timeout() and wait_for(). Mirrors TimeoutError.
class timeout_error : public std::runtime_error {
public:
    timeout_error() : std::runtime_error("timed out") {}
    explicit timeout_error(std::string const& message) : std::runtime_error(message) {}
};

/// Ends the run, whichever task throws it: run() and block_on() stop waiting and throw it at once, a task group throws it bare.
/// Mirrors what SystemExit and KeyboardInterrupt have in common.
class fatal_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Thrown by run() when Ctrl-C cancelled the main task and it ended by that. Mirrors KeyboardInterrupt.
class keyboard_interrupt : public fatal_error {
public:
    keyboard_interrupt() : fatal_error("interrupted") {}
};

/// Thrown by a task that wants the program to end with `code`; main() catches it around run(). Mirrors SystemExit.
class system_exit : public fatal_error {
public:
    explicit system_exit(int code) : fatal_error("system exit"), code_(code) {}
    [[nodiscard]] int code() const noexcept { return code_; }

private:
    int code_;
};

/// An operation that the object's state does not allow: the result of an unfinished task, a second await of a task,
/// run() inside a task, releasing what is not held. Mirrors asyncio.InvalidStateError and RuntimeError.
class invalid_state_error : public std::logic_error {
public:
    using std::logic_error::logic_error;
};

/// The result of a future whose promise was dropped before it was set.
class broken_promise : public std::runtime_error {
public:
    broken_promise() : std::runtime_error("the promise was dropped before the future was set") {}
};

/// queue::put_nowait() on a full queue. Mirrors asyncio.QueueFull.
class queue_full : public std::runtime_error {
public:
    queue_full() : std::runtime_error("queue is full") {}
};

/// queue::get_nowait() on an empty queue. Mirrors asyncio.QueueEmpty.
class queue_empty : public std::runtime_error {
public:
    queue_empty() : std::runtime_error("queue is empty") {}
};

/// A put on a queue that was shut down, or a get on one that was shut down and is empty. Mirrors asyncio.QueueShutDown.
class queue_shut_down : public std::runtime_error {
public:
    queue_shut_down() : std::runtime_error("queue has been shut down") {}
};

/// barrier::wait() on a barrier that was aborted, or reset while the task waited. Mirrors asyncio.BrokenBarrierError.
class broken_barrier_error : public std::runtime_error {
public:
    broken_barrier_error() : std::runtime_error("barrier is broken") {}
};

/// An executor that can no longer run work: it was shut down, or it could not start a thread.
/// Mirrors concurrent.futures.BrokenExecutor.
class broken_executor : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {
// Out of line, so that a throw costs a call site one instruction and the headers no <string> code.
[[noreturn]] void throw_invalid_state(char const* message);
[[noreturn]] void throw_invalid_argument(char const* message);
} // namespace detail

} // namespace aya::inline v1
