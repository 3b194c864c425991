// SPDX-License-Identifier: Apache-2.0
// Every exception that the library throws by itself, except exception_group.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace aya {

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

/// An operation that the object's state does not allow: the result of an unfinished task, a second await of a task,
/// run() inside a task, releasing what is not held. Mirrors asyncio.InvalidStateError and RuntimeError.
class invalid_state_error : public std::logic_error {
public:
    using std::logic_error::logic_error;
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

} // namespace aya
