// SPDX-License-Identifier: Apache-2.0
// Another program, its standard output, and signals to it.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace test {

/// A program that was built beside this one.
inline std::string neighbour(std::string const& name) {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

class child_process {
public:
    child_process(std::string program, std::initializer_list<char const*> arguments) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0)
            throw std::runtime_error("pipe2");
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        // A test that runs in the background has inherited an ignored SIGINT.
        posix_spawnattr_t attributes;
        posix_spawnattr_init(&attributes);
        sigset_t defaults;
        sigemptyset(&defaults);
        sigaddset(&defaults, SIGINT);
        posix_spawnattr_setsigdefault(&attributes, &defaults);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
        std::vector<std::string> words{program};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (auto& w : words)
            argv.push_back(w.data());
        argv.push_back(nullptr);
        int const error = ::posix_spawn(&pid_, program.c_str(), &actions, &attributes, argv.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attributes);
        ::close(ends[1]);
        if (error != 0) {
            ::close(ends[0]);
            throw std::runtime_error("posix_spawn " + program);
        }
        output_ = ::fdopen(ends[0], "r");
    }
    ~child_process() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            (void)exit_code();
        }
        std::fclose(output_);
    }
    child_process(child_process const&) = delete;
    child_process& operator=(child_process const&) = delete;

    void send(int signal) const { ::kill(pid_, signal); }

    /// The next line without its end; empty at the end of the output.
    std::string read_line() {
        std::string line;
        for (int c = std::fgetc(output_); c != EOF && c != '\n'; c = std::fgetc(output_))
            line += static_cast<char>(c);
        return line;
    }

    /// Waits for the end: the exit code, or minus the signal that ended it.
    int exit_code() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

private:
    pid_t pid_ = -1;
    std::FILE* output_ = nullptr;
};

} // namespace test
