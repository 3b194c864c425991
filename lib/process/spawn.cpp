// SPDX-License-Identifier: Apache-2.0
// Starting a child: never fork() alone, which in a process with threads leaves the child locks that nobody will release.
#include "process/worker.hpp"

#include <cerrno>
#include <csignal>
#include <system_error>

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace aya::inline v1::detail {

namespace {

void require(int error, char const* what) {
    if (error != 0)
        throw std::system_error(error, std::generic_category(), what);
}

struct spawn_actions {
    spawn_actions() { require(::posix_spawn_file_actions_init(&value), "aya::process_pool: starting a child"); }
    ~spawn_actions() { ::posix_spawn_file_actions_destroy(&value); }
    spawn_actions(spawn_actions const&) = delete;
    spawn_actions& operator=(spawn_actions const&) = delete;
    posix_spawn_file_actions_t value;
};

struct spawn_attributes {
    spawn_attributes() { require(::posix_spawnattr_init(&value), "aya::process_pool: starting a child"); }
    ~spawn_attributes() { ::posix_spawnattr_destroy(&value); }
    spawn_attributes(spawn_attributes const&) = delete;
    spawn_attributes& operator=(spawn_attributes const&) = delete;
    posix_spawnattr_t value;
};

// Out of the way of the numbers that the child expects.
unique_descriptor high_copy(int descriptor) {
    unique_descriptor copy(::fcntl(descriptor, F_DUPFD_CLOEXEC, child_memory + 1));
    if (!copy)
        throw_errno("aya::process_pool: starting a child");
    return copy;
}

} // namespace

void process_worker::spawn(int socket, int memory) {
    unique_descriptor const high_socket = high_copy(socket), high_memory = high_copy(memory);
    spawn_actions actions;
    require(::posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0), "aya::process_pool: starting a child");
    require(::posix_spawn_file_actions_adddup2(&actions.value, high_socket.get(), child_socket), "aya::process_pool: starting a child");
    require(::posix_spawn_file_actions_adddup2(&actions.value, high_memory.get(), child_memory), "aya::process_pool: starting a child");
    // Descriptors that other code has opened without close-on-exec.
    require(::posix_spawn_file_actions_addclosefrom_np(&actions.value, child_memory + 1), "aya::process_pool: starting a child");
    spawn_attributes attributes;
    sigset_t all, blocked;
    sigfillset(&all);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT); // until the child ignores it
    require(::posix_spawnattr_setsigdefault(&attributes.value, &all), "aya::process_pool: starting a child");
    require(::posix_spawnattr_setsigmask(&attributes.value, &blocked), "aya::process_pool: starting a child");
    require(::posix_spawnattr_setflags(&attributes.value, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK),
            "aya::process_pool: starting a child");
    char* const arguments[] = {::program_invocation_name, const_cast<char*>(child_marker), nullptr};
    require(::posix_spawn(&pid_, "/proc/self/exe", &actions.value, &attributes.value, arguments, environ),
            "aya::process_pool: starting a child");
    handle_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0u)));
    if (!handle_) {
        int const error = errno;
        // Nobody has waited for it yet, so the number is still its own, unless SIGCHLD is ignored and it is dead.
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        throw std::system_error(error, std::generic_category(), "aya::process_pool: a handle for a child");
    }
}

} // namespace aya::inline v1::detail
