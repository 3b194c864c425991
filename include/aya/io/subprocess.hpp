// SPDX-License-Identifier: Apache-2.0
// Child processes. This header includes no Boost.
#pragma once

#include <aya/io/stream.hpp>
#include <aya/task.hpp>

#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace aya::inline v1::io {

namespace detail {
class child_core;
}

/// Where a child's stream goes. Mirrors subprocess.PIPE, DEVNULL and STDOUT.
enum class redirect {
    inherit, ///< as the parent's
    pipe,    ///< to the parent: process::stdin_writer() and so on
    devnull,
    to_stdout ///< the standard error only: with the standard output
};

struct subprocess_options {
    redirect standard_input = redirect::inherit;
    redirect standard_output = redirect::inherit;
    redirect standard_error = redirect::inherit;
    /// Where the child starts; the parent's directory when empty.
    std::string cwd = {};
    /// "NAME=value" each; the parent's environment when there is none.
    std::optional<std::vector<std::string>> env = {};
    /// Of the readers.
    std::size_t limit = default_limit;
    /// The child gets 0, 1 and 2 alone; otherwise also every descriptor of the parent's that is not close-on-exec: none of the library's, but sockets that a
    /// program opens through Asio itself, and those that libcurl opens to wake itself.
    bool close_fds = true;

    subprocess_options() = default;
};

/// A child; copies refer to the same one. When the last one goes while the child runs, it is killed. It is reaped in any case, by its pidfd: no signal handler,
/// no thread. One that may not be killed, for it is another user's by now, is left behind. Handles may outlive their runtime, to look at the child and to signal; nobody
/// hears of its end then. Throws invalid_state_error when it was moved from. Mirrors asyncio.subprocess.Process.
class process {
public:
    explicit process(std::shared_ptr<detail::child_core> c) noexcept : child_(std::move(c)) {}

    [[nodiscard]] int pid() const;
    /// Nothing while it runs; -N when signal N has ended it; 255 when somebody else has reaped it.
    [[nodiscard]] std::optional<int> returncode() const;

    /// Waits for the child's end, not for that of its pipes. Any number of tasks. Cancelling it leaves the child alone.
    [[nodiscard]] task<int> wait();

    /// The standard output and the standard error, as far as they are pipes.
    struct output {
        output() = default;
        output(std::string o, std::string e) : standard_output(std::move(o)), standard_error(std::move(e)) {}
        std::string standard_output;
        std::string standard_error;
    };
    /// Sends `input`, closes the standard input, reads everything, and waits for the end. A child that does not read it all is no error. Cancelling it leaves the
    /// child alone.
    [[nodiscard]] task<output> communicate(std::string input = {});

    /// Throw std::system_error with no_such_process when it has ended.
    void send_signal(int number);
    void terminate();
    void kill();

    /// Throw invalid_state_error where there is no pipe.
    [[nodiscard]] stream_writer stdin_writer() const;
    [[nodiscard]] stream_reader stdout_reader() const;
    [[nodiscard]] stream_reader stderr_reader() const;

private:
    [[nodiscard]] std::shared_ptr<detail::child_core> const& used() const;
    std::shared_ptr<detail::child_core> child_;
};

/// Starts a program, which is looked up in PATH, with its arguments; `command` begins with it. Throws std::system_error: no_such_file_or_directory when there is none.
/// The child gets the standard streams and default signals. Mirrors asyncio.create_subprocess_exec().
[[nodiscard]] task<process> create_subprocess_exec(std::vector<std::string> command, subprocess_options options = {});
/// The same with the words apart: create_subprocess_exec("ls", "-l").
template <std::convertible_to<std::string>... Words>
[[nodiscard]] task<process> create_subprocess_exec(char const* program, Words... words) {
    std::vector<std::string> command;
    command.reserve(1 + sizeof...(words));
    command.emplace_back(program);
    (command.emplace_back(std::move(words)), ...);
    return create_subprocess_exec(std::move(command), subprocess_options());
}

/// Runs a command line by /bin/sh. Never put into it what others have written. Mirrors asyncio.create_subprocess_shell().
[[nodiscard]] task<process> create_subprocess_shell(std::string command_line, subprocess_options options = {});

} // namespace aya::inline v1::io
