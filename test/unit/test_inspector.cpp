// SPDX-License-Identifier: Apache-2.0
// What looks after a runtime from outside: reports, the dump signal, the inspection socket.
#include "executors/report_sink.hpp"
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

struct seen_report {
    std::string message, stack, created;
};

/// Keeps what is reported.
class reports {
public:
    std::function<void(aya::exception_report const&)> handler() {
        return [this](aya::exception_report const& r) {
            std::lock_guard const guard(mutex_);
            all_.push_back({std::string(r.message), r.stack, r.created});
        };
    }
    std::vector<seen_report> with(std::string const& begin) {
        std::lock_guard const guard(mutex_);
        std::vector<seen_report> found;
        std::copy_if(all_.begin(), all_.end(), std::back_inserter(found), [&](seen_report const& r) { return r.message.starts_with(begin); });
        return found;
    }

private:
    std::mutex mutex_;
    std::vector<seen_report> all_;
};

/// A folder of its own as XDG_RUNTIME_DIR.
class runtime_folder {
public:
    runtime_folder() : before_(::getenv("XDG_RUNTIME_DIR")) {
        std::string name = "/tmp/aya-test-XXXXXX";
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
        ::setenv("XDG_RUNTIME_DIR", path_.c_str(), 1);
    }
    ~runtime_folder() {
        if (before_ == nullptr)
            ::unsetenv("XDG_RUNTIME_DIR");
        else
            ::setenv("XDG_RUNTIME_DIR", kept_.c_str(), 1);
        std::filesystem::remove_all(path_);
    }
    runtime_folder(runtime_folder const&) = delete;
    runtime_folder& operator=(runtime_folder const&) = delete;

    [[nodiscard]] std::string const& path() const noexcept { return path_; }

private:
    char const* before_;
    std::string kept_ = before_ == nullptr ? "" : before_;
    std::string path_;
};

/// What this process writes to standard error meanwhile.
class captured_errors {
public:
    captured_errors() : before_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) {
        char name[] = "/tmp/aya-test-XXXXXX";
        file_ = ::mkostemp(name, O_CLOEXEC | O_APPEND);
        REQUIRE(file_ >= 0);
        ::unlink(name);
        ::dup2(file_, STDERR_FILENO);
    }
    ~captured_errors() {
        ::dup2(before_, STDERR_FILENO);
        ::close(before_);
        ::close(file_);
    }
    captured_errors(captured_errors const&) = delete;
    captured_errors& operator=(captured_errors const&) = delete;

    [[nodiscard]] std::string text() const {
        std::string all;
        std::array<char, 4096> part{};
        for (ssize_t got = 0; (got = ::pread(file_, part.data(), part.size(), static_cast<off_t>(all.size()))) > 0;)
            all.append(part.data(), static_cast<std::size_t>(got));
        return all;
    }

private:
    int before_;
    int file_;
};

aya::task<> nothing() { co_return; }
aya::task<> drop(aya::task<>* forgotten) {
    {
        aya::task<> const gone = std::move(*forgotten);
    }
    co_return;
}
aya::task<> drop_its_own() {
    {
        auto const gone = nothing();
    }
    co_return;
}

} // namespace

TEST_CASE("debug mode: a promise that another thread keeps later is no deadlock") {
    reports seen;
    aya::runtime rt({.workers = 1, .debug = true, .slow_callback_duration = 2ms, .exception_handler = seen.handler()});
    rt.block_on([](reports* printed) -> aya::task<> {
        aya::promise<int> p;
        auto f = p.get_future();
        std::jthread const other([&p, printed] {
            (void)test::eventually_outside([printed] { return !printed->with("All tasks are asleep").empty(); }, 100ms); // the watchdog looks each millisecond
            p.set_value(1);
        });
        int const kept = co_await f;
        CHECK(kept == 1);
    }, &seen);
    CHECK(seen.with("All tasks are asleep").empty());
}

TEST_CASE("debug mode: a coroutine that is made outside of tasks is not taken for an earlier one at its address") {
    reports seen;
    aya::runtime rt({.scheduler = aya::scheduler_kind::event_loop, .debug = true, .slow_callback_duration = 24h, .exception_handler = seen.handler()});
    for (int i = 0; i < 8; ++i)
        rt.block_on(drop_its_own());
    std::string const inside = seen.with("A coroutine was never awaited").at(0).created;
    for (int i = 0; i < 8; ++i) {
        auto forgotten = nothing();
        rt.block_on(drop(&forgotten));
    }
    auto const all = seen.with("A coroutine was never awaited; it was made here");
    REQUIRE(all.size() == 16);
    for (std::size_t i = 8; i < all.size(); ++i)
        CHECK(all[i].created != inside);
}

TEST_CASE("debug mode: coroutines that are dropped where no task runs are reported too, while a runtime is in debug mode") {
    reports seen;
    {
        auto const before = nothing();
    }
    {
        aya::runtime rt({.workers = 1, .debug = true, .slow_callback_duration = 24h, .exception_handler = seen.handler()});
        {
            auto const by_main = nothing();
        }
        CHECK(seen.with("A coroutine was never awaited; it was made here").size() == 1);
        rt.block_on([]() -> aya::task<> {
            co_await aya::to_thread([] { auto const by_a_thread = nothing(); });
        });
        CHECK(seen.with("A coroutine was never awaited; it was made here").size() == 2);
    }
    {
        auto const after = nothing();
    }
    CHECK(seen.with("").size() == 2);
}

TEST_CASE("inspection: without a socket, all the rest is there") {
    runtime_folder const folder;
    std::filesystem::create_directory(folder.path() + "/aya");
    std::filesystem::permissions(folder.path() + "/aya", std::filesystem::perms::all); // which is refused
    reports seen;
    captured_errors const errors;
    aya::runtime const rt({.workers = 1, .exception_handler = seen.handler(), .inspection = true, .dump_signal = SIGUSR1, .name = "deaf"});
    CHECK(seen.with("").size() == 1);
    CHECK(seen.with("The runtime has no inspection socket").size() == 1);
    std::raise(SIGUSR1);
    CHECK(test::eventually_outside([&] { return errors.text() == "runtime deaf: 0 tasks\n"; }));
}

TEST_CASE("dump_signal: those that cannot be caught are refused") {
    for (int const signal : {-1, SIGKILL, SIGSTOP, 32, 33, SIGRTMAX + 1})
        CHECK_THROWS_AS(aya::runtime({.scheduler = aya::scheduler_kind::event_loop, .dump_signal = signal}), std::invalid_argument);
}

TEST_CASE("dump_signal: each runtime answers to its own, and those beyond the limit are told of") {
    reports seen;
    captured_errors const errors;
    std::vector<std::unique_ptr<aya::runtime>> all;
    for (int i = 0; i < 64; ++i)
        all.push_back(std::make_unique<aya::runtime>(aya::runtime_options{.scheduler = aya::scheduler_kind::event_loop,
                                                                          .exception_handler = seen.handler(),
                                                                          .dump_signal = i == 63 ? SIGUSR2 : SIGUSR1,
                                                                          .name = std::string("r").append(std::to_string(i))}));
    CHECK(seen.with("").empty());
    aya::runtime const one_more({.scheduler = aya::scheduler_kind::event_loop, .exception_handler = seen.handler(), .dump_signal = SIGUSR1});
    CHECK(seen.with("The dump signal is for no more than 64 runtimes").size() == 1);
    std::raise(SIGUSR2);
    CHECK(test::eventually_outside([&] { return !errors.text().empty(); }));
    std::raise(SIGUSR1);
    auto const count = [&] {
        std::string const text = errors.text();
        return std::count(text.begin(), text.end(), '\n');
    };
    CHECK(test::eventually_outside([&] { return count() >= 64; }));
    CHECK(errors.text().starts_with("runtime r63: 0 tasks\n"));
    CHECK(count() == 64);
}

TEST_CASE("dump_signal: that of a forked child is not its parent's") {
    captured_errors const errors;
    aya::runtime const rt({.scheduler = aya::scheduler_kind::event_loop, .dump_signal = SIGUSR1});
    pid_t const child = ::fork();
    if (child == 0) {
        std::raise(SIGUSR1);
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_FALSE(test::eventually_outside([&] { return !errors.text().empty(); }, 100ms));
    std::raise(SIGUSR1);
    CHECK(test::eventually_outside([&] { return errors.text() == "runtime aya: 0 tasks\n"; }));
}

TEST_CASE("inspection: a caller that trickles does not hold up the runtime's end") {
    runtime_folder const folder;
    auto rt = std::make_unique<aya::runtime>(aya::runtime_options{.scheduler = aya::scheduler_kind::event_loop, .inspection = true});
    std::string path;
    for (auto const& entry : std::filesystem::directory_iterator(folder.path() + "/aya"))
        path = entry.path();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    int const caller = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(::connect(caller, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::send(caller, "t", 1, MSG_NOSIGNAL) == 1);
    CHECK(test::eventually_outside([&] { // until it was read
        int left = 1;
        return ::ioctl(caller, SIOCOUTQ, &left) == 0 && left == 0;
    }));
    {
        std::jthread const trickle([&](std::stop_token const& stop) {
            std::mutex mutex;
            std::condition_variable_any stopped;
            std::unique_lock lock(mutex);
            while (!stop.stop_requested() && ::send(caller, "t", 1, MSG_NOSIGNAL) == 1)
                stopped.wait_for(lock, stop, 500ms, [] { return false; }); // the caller's slowness is what is tested
        });
        auto const begin = std::chrono::steady_clock::now();
        rt.reset();
        CHECK(std::chrono::steady_clock::now() - begin < 10s); // 64 bytes would take half a minute
    }
    ::close(caller);
}

TEST_CASE("report_sink: what several threads print does not mix") {
    captured_errors const errors;
    aya::detail::report_sink sink(nullptr);
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                for (int n = 0; n < 500; ++n)
                    sink.report({"message", "task", nullptr, "created\n", "stack\n"});
            });
    }
    std::string expected;
    for (int i = 0; i < 2000; ++i)
        expected += "aya: message (task)\nstack\ncreated\n";
    CHECK((errors.text() == expected));
}

TEST_CASE("reports without a handler: one line on standard error, whatever was thrown") {
    captured_errors const errors;
    {
        aya::runtime rt({.workers = 1});
        rt.block_on([]() -> aya::task<> {
            (void)aya::call_soon([] { throw std::runtime_error("with a text"); });
            (void)aya::call_soon([] { throw aya::cancelled_error("out of place"); });
            (void)aya::call_soon([] { throw 42; });
            co_await test::settle();
            co_await aya::sleep(1ms);
        });
    }
    std::string const text = errors.text();
    for (char const* const end : {": with a text\n", ": out of place\n", ": exception of unknown type\n"}) {
        CAPTURE(text);
        CHECK(text.find(end) != std::string::npos);
    }
    CHECK(std::count(text.begin(), text.end(), '\n') == 3);
}

TEST_CASE("AYA_TRACE: each runtime of a process has a file of its own") {
    char name[] = "/tmp/aya-test.XXXXXX"; // a dot that begins no extension
    REQUIRE(::mkdtemp(name) != nullptr);
    std::filesystem::path const folder = name;
    auto run_with = [](std::string const& file) {
        ::setenv("AYA_TRACE", file.c_str(), 1);
        aya::runtime rt({.workers = 1});
        ::unsetenv("AYA_TRACE");
        rt.block_on([]() -> aya::task<> { co_await aya::yield(); });
    };
    std::string const pid = std::to_string(::getpid());
    run_with(folder / "first-%p.json");
    run_with(folder / "then-%p.json");
    run_with(folder / "plain");
    run_with("");
    std::vector<std::string> files;
    for (auto const& entry : std::filesystem::directory_iterator(folder))
        files.push_back(entry.path().filename());
    std::sort(files.begin(), files.end());
    CHECK(files == std::vector<std::string>{"first-" + pid + ".json", "plain-3", "then-" + pid + "-2.json"});
    std::filesystem::remove_all(folder);
}

TEST_CASE("AYA_TRACE, trace_file: a file that cannot be written is reported") {
    test::report_log log;
    {
        aya::runtime rt({.workers = 1, .exception_handler = log.handler(), .trace_file = "/nowhere/trace.json"});
        rt.block_on([]() -> aya::task<> { co_await aya::yield(); });
    }
    REQUIRE(log.count() == 1);
    CHECK(log.messages().front().find("The trace could not be written") != std::string::npos);
    aya::trace_span const outside("nobody's"); // outside a runtime: nothing
}
