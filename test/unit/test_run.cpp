// SPDX-License-Identifier: Apache-2.0
#include "support/child_process.hpp"
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using test::child_process;

namespace {

aya::task<int> answer() {
    co_await aya::yield();
    co_return 42;
}

} // namespace

TEST_CASE("run: gives main's result, throws its exception, takes callables and options") {
    CHECK(aya::run(answer()) == 42);
    CHECK(aya::run(answer) == 42);
    CHECK(aya::run(test::kind{0}.options(), answer) == 42);
    auto sum = [base = std::string("ab")](std::string s) -> aya::task<std::string> {
        co_await aya::yield();
        co_return base + s;
    };
    CHECK(aya::run(sum, std::string("cd")) == "abcd");
    auto fail = []() -> aya::task<> {
        co_await aya::yield();
        throw std::runtime_error("no");
    };
    CHECK_THROWS_AS(aya::run(fail), std::runtime_error);
}

TEST_CASE("run: puts the action of SIGINT back") {
    // The test framework has a handler of its own, and run() stands back for those.
    struct sigaction framework {};
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    ::sigaction(SIGINT, &by_default, &framework);
    bool replaced = false;
    auto inside = [&]() -> aya::task<> {
        replaced = co_await test::eventually([] {
            struct sigaction now {};
            ::sigaction(SIGINT, nullptr, &now);
            return now.sa_handler != SIG_DFL;
        });
    };
    aya::run(inside);
    struct sigaction after {};
    ::sigaction(SIGINT, &framework, &after);
    CHECK(replaced);
    bool const restored = after.sa_handler == SIG_DFL;
    CHECK(restored);
}

TEST_CASE("run: a handler of the program's that takes more than the number stays as well") {
    struct sigaction framework {};
    struct sigaction mine {};
    mine.sa_flags = SA_SIGINFO;
    mine.sa_sigaction = [](int, siginfo_t*, void*) {};
    ::sigaction(SIGINT, &mine, &framework);
    bool kept = false;
    auto inside = [&]() -> aya::task<> {
        for (int i = 0; i < 100; ++i)
            co_await aya::yield(); // run() starts main before it would watch
        struct sigaction now {};
        ::sigaction(SIGINT, nullptr, &now);
        kept = (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == mine.sa_sigaction;
    };
    aya::run(inside);
    struct sigaction after {};
    ::sigaction(SIGINT, &framework, &after);
    CHECK(kept);
    bool const same = after.sa_sigaction == mine.sa_sigaction;
    CHECK(same);
}

TEST_CASE("run: two at once in different threads") {
    test::thread_crew crew;
    std::atomic<int> sum{0};
    for (int t = 0; t < 2; ++t)
        crew.add([&] {
            for (int i = 0; i < 50; ++i)
                sum.fetch_add(aya::run(test::kind{static_cast<std::size_t>(i % 2)}.options(), answer));
        });
    crew.join();
    CHECK(sum.load() == 2 * 50 * 42);
}

TEST_CASE("run: an interrupt cancels main, which cleans up, and run throws keyboard_interrupt") {
    for (char const* const where : {"pool", "loop"}) {
        CAPTURE(where);
        child_process child(test::neighbour("interrupt_child"), {"wait", where});
        CHECK(child.read_line() == "ready");
        child.send(SIGINT);
        CHECK(child.read_line() == "cleaned up");
        CHECK(child.read_line() == "keyboard_interrupt");
        CHECK(child.read_line() == "default action");
        CHECK(child.exit_code() == 2);
    }
}

TEST_CASE("run: a second interrupt ends a program that ignores the first") {
    for (char const* const where : {"pool", "loop"}) {
        CAPTURE(where);
        child_process child(test::neighbour("interrupt_child"), {"stubborn", where});
        CHECK(child.read_line() == "ready");
        child.send(SIGINT);
        CHECK(child.read_line() == "cleaned up");
        CHECK(child.read_line() == "ignored");
        CHECK(child.read_line() == "ready");
        child.send(SIGINT);
        CHECK(child.exit_code() == -SIGINT);
    }
}

TEST_CASE("run: leaves Ctrl-C alone where the program has a handler of its own") {
    child_process child(test::neighbour("interrupt_child"), {"own-handler", "pool"});
    CHECK(child.read_line() == "ready");
    child.send(SIGINT);
    CHECK(child.read_line() == "own handler");
    CHECK(child.exit_code() == 5);
}
