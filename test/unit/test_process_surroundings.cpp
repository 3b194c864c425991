// SPDX-License-Identifier: Apache-2.0
// process_pool: what children inherit, what they leave behind, and what happens when the system gives no more.
#include "support/child_process.hpp"
#include "support/harness.hpp"
#include "support/processes.hpp"

#include <aya/aya.hpp>
#include <aya/process_pool.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;

int add(int a, int b) { return a + b; }

std::vector<int> own_descriptors() {
    std::vector<int> all;
    for (auto const& entry : std::filesystem::directory_iterator("/proc/self/fd"))
        all.push_back(std::stoi(entry.path().filename()));
    std::erase_if(all, [](int d) { return ::fcntl(d, F_GETFD) < 0; }); // the one that reads the folder
    std::sort(all.begin(), all.end());
    return all;
}
std::string standard_input() { return std::filesystem::read_symlink("/proc/self/fd/0"); }
std::string status_line(std::string const& name) {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with(name + ":"))
            return line.substr(line.find_last_of(" \t") + 1);
    return "none";
}
std::string program_name() noexcept {
    std::string text;
    std::getline(std::ifstream("/proc/self/comm"), text);
    return text;
}
int death_signal() {
    int signal = 0;
    ::prctl(PR_GET_PDEATHSIG, &signal);
    return signal;
}
bool socket_closes_on_exec() { return (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0; }
std::vector<char> large(std::size_t bytes) { return std::vector<char>(bytes, 'x'); }
int print(std::string const& text) { return std::printf("%s", text.c_str()); }

TEST_CASE("E29: a child has standard streams and one socket, no signal of the parent's is blocked or ignored in it") {
    int const leak = ::open("/dev/null", O_RDONLY); // not close-on-exec
    int const high = ::fcntl(leak, F_DUPFD, 200);
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &blocked, &before); // the pool's thread inherits it
    auto const old_pipe = ::signal(SIGPIPE, SIG_IGN);
    {
        aya::process_pool pool({.max_workers = 1});
        CHECK(pool.submit<&own_descriptors>().get() == std::vector<int>{0, 1, 2, 3});
        CHECK(pool.submit<&socket_closes_on_exec>().get());
        CHECK(pool.submit<&standard_input>().get() == "/dev/null");
        CHECK(std::stoull(pool.submit<&status_line>("SigBlk").get(), nullptr, 16) == 0);
        std::uint64_t const internal = std::uint64_t{3} << 31; // glibc's own two, which its posix_spawn() leaves ignored
        CHECK((std::stoull(pool.submit<&status_line>("SigIgn").get(), nullptr, 16) & ~internal) == std::uint64_t{1} << (SIGINT - 1));
        CHECK(pool.submit<&death_signal>().get() == SIGKILL);
        CHECK(pool.submit<&program_name>().get() == "test_process");
    }
    ::signal(SIGPIPE, old_pipe);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(leak);
    ::close(high);
}

TEST_CASE("process_pool: no zombie and no descriptor is left") {
    std::size_t const before = test::open_descriptors();
    std::vector<pid_t> children;
    for (int round = 0; round < 5; ++round) {
        aya::process_pool pool({.max_workers = 2});
        CHECK(pool.submit<&add>(1, 2).get() == 3);
        children.push_back(pool.children().at(0));
    }
    CHECK(test::open_descriptors() == before);
    for (pid_t const pid : children)
        CHECK_FALSE(std::filesystem::exists("/proc/" + std::to_string(pid))); // as it would for a zombie
}

TEST_CASE("process_pool: works when SIGCHLD is ignored, so that the kernel reaps") {
    auto const old = ::signal(SIGCHLD, SIG_IGN);
    {
        aya::process_pool pool({.max_workers = 1, .max_tasks_per_child = 2});
        for (int i = 0; i < 10; ++i)
            CHECK(pool.submit<&add>(i, 1).get() == i + 1);
    }
    ::signal(SIGCHLD, old);
}

TEST_CASE("process_pool: what a call prints is there when its child has ended") {
    // The child's standard output is this process': a file for this test.
    test::temporary_folder const folder;
    std::fflush(stdout);
    int const saved = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 10);
    int const file = ::open(folder.file("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ::dup2(file, STDOUT_FILENO);
    {
        aya::process_pool pool({.max_workers = 1});
        CHECK(pool.submit<&print>("printed").get() == 7);
    }
    ::dup2(saved, STDOUT_FILENO);
    ::close(saved);
    ::close(file);
    std::string text;
    std::getline(std::ifstream(folder.file("out")), text);
    CHECK(text == "printed");
}

TEST_CASE("E35: the children of a parent that is killed are gone, whatever they do") {
    test::child_process parent("/proc/self/exe", {"--parent"});
    std::vector<pid_t> children;
    for (std::string line = parent.read_line(); line != "ready"; line = parent.read_line()) {
        REQUIRE_FALSE(line.empty());
        children.push_back(std::stoi(line));
    }
    CHECK(children.size() == 3);
    for (pid_t const pid : children)
        CHECK(test::runs(pid));
    parent.send(SIGKILL);
    CHECK(parent.exit_code() == -SIGKILL);
    for (pid_t const pid : children)
        CHECK(test::eventually_outside([&] { return !test::runs(pid); }));
}

TEST_CASE("process_pool: a program that does not call process_pool_main() is told so") {
    test::child_process program("/proc/self/exe", {"--without-hook"});
    CHECK(program.read_line() == "aya::process_pool: main() must begin with aya::process_pool_main(argc, argv)");
    CHECK(program.exit_code() == 0);
}

// Not with sanitizers: UBSan opens a pipe to look at an object of a type that it has not met, and calls it broken where it cannot.
TEST_CASE("E11: without descriptors a call fails with an error that says so, and the pool recovers" * doctest::skip(AYA_SANITIZED != 0)) {
    aya::process_pool pool({.max_workers = 2});
    rlimit old{};
    ::getrlimit(RLIMIT_NOFILE, &old);
    rlimit low = old;
    low.rlim_cur = 64;
    ::setrlimit(RLIMIT_NOFILE, &low);
    std::vector<int> all;
    for (int d = ::dup(0); d >= 0; d = ::dup(0))
        all.push_back(d);
    std::string why;
    try {
        (void)pool.submit<&add>(1, 2).get();
    } catch (aya::broken_executor const& e) {
        why = e.what();
    }
    CHECK_THROWS_AS(aya::process_pool(), std::system_error);
    for (int const d : all)
        ::close(d);
    ::setrlimit(RLIMIT_NOFILE, &old);
    CHECK_MESSAGE(why.find("Too many open files") != std::string::npos, why);
    CHECK(pool.submit<&add>(1, 2).get() == 3);
}

TEST_CASE("E11: many large results at a time get along with few descriptors") {
    aya::process_pool pool({.max_workers = 2});
    (void)pool.submit<&large>(std::size_t{100'000}).get();
    rlimit old{};
    ::getrlimit(RLIMIT_NOFILE, &old);
    rlimit low = old;
    low.rlim_cur = 128;
    ::setrlimit(RLIMIT_NOFILE, &low);
    std::vector<std::future<std::vector<char>>> all;
    for (int i = 0; i < 500; ++i)
        all.push_back(pool.submit<&large>(std::size_t{100'000}));
    for (auto& r : all)
        CHECK(r.get().size() == 100'000);
    ::setrlimit(RLIMIT_NOFILE, &old);
}

} // namespace
