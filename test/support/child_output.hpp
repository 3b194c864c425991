// SPDX-License-Identifier: Apache-2.0
// Code that is to end its process: run in one of its own.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test {

/// What `f` writes to standard error in a process of its own, and how that ends.
inline std::pair<std::string, int> in_a_child(void (*f)()) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    pid_t const pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], STDERR_FILENO);
        std::signal(SIGABRT, SIG_DFL);
        rlimit none{};
        ::setrlimit(RLIMIT_CORE, &none);
        f();
        ::_exit(0);
    }
    ::close(ends[1]);
    std::string text;
    std::array<char, 256> buffer{};
    for (ssize_t n = 0; (n = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(n));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return {text, WIFSIGNALED(status) ? WTERMSIG(status) : 0};
}

} // namespace test
