// SPDX-License-Identifier: Apache-2.0
#include "support/child_output.hpp"
#include "support/harness.hpp"

#include <aya/aya.hpp>
#include <aya/testing.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace testing = aya::testing;
using namespace std::chrono_literals;

namespace {

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

std::string failure_of(testing::test_options options, aya::task<> (*body)()) {
    return test::refusal<testing::test_failure>([&] { testing::run(options, body); });
}

} // namespace

TEST_CASE("testing::run: the body's time is virtual, and its exceptions come out") {
    auto const begin = std::chrono::steady_clock::now();
    static int runs = 0;
    runs = 0;
    testing::run_everywhere([]() -> aya::task<> {
        auto const before = aya::now();
        co_await aya::sleep(1h);
        CHECK(aya::now() - before == 1h);
        ++runs;
    });
    CHECK(runs == 4);
    CHECK(std::chrono::steady_clock::now() - begin < 10min);
    auto const fail = []() -> aya::task<> {
        throw std::logic_error("expected");
        co_return;
    };
    CHECK_THROWS_AS(testing::run(fail), std::logic_error);
}

TEST_CASE("testing::run: what is left behind is a failure that names it") {
    for (std::size_t const workers : {0U, 1U, 4U}) {
        std::string text = failure_of({.workers = workers}, []() -> aya::task<> {
            (void)aya::create_task(test::forever(), {.name = "left over"});
            co_await testing::settle();
        });
        CHECK(contains(text, "tasks are left: 1 task\nleft over (#"));
        CHECK(contains(text, "waits for event::wait 0x"));
        CHECK(contains(text, "at test::forever ("));
    }
    std::string text = failure_of({}, []() -> aya::task<> {
        (void)aya::call_later(1h, [] {});
        co_return;
    });
    CHECK(contains(text, "1 timer is left"));
    text = failure_of({}, []() -> aya::task<> {
        (void)aya::call_later(1h, [] {});
        (void)aya::call_later(2h, [] {});
        co_return;
    });
    CHECK(contains(text, "2 timers are left"));
    static int descriptor = -1;
    text = failure_of({}, []() -> aya::task<> {
        descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
        co_return;
    });
    CHECK(contains(text, "is still open: /dev/null"));
    ::close(descriptor);
    auto const untidy = []() -> aya::task<> {
        (void)aya::create_task(test::forever());
        co_return;
    };
    CHECK_NOTHROW(testing::run({.check_leaks = false}, untidy));
}

TEST_CASE("testing::run: a test that takes too long fails, and says what it waited for") {
    for (std::size_t const workers : {0U, 2U}) {
        std::string text;
        CHECK(test::eventually_outside([&] { // again, if the task had no CPU and did not get to its wait
            text = failure_of({.workers = workers, .time_limit = 20ms}, []() -> aya::task<> { co_await test::forever(); });
            return contains(text, "waits for event::wait 0x");
        }));
        CHECK(contains(text, "the test takes longer than 0.020 s ("));
        CHECK(contains(text, "1 task\ntest (#"));
        CHECK(contains(text, "test_testing.cpp:"));
    }
}

#if !AYA_SANITIZED
TEST_CASE("testing::run: a step that never ends, on a worker, is told of, and ends the program") {
    auto const [text, signal] = test::in_a_child([] {
        ::alarm(120); // it hangs
        try {
            testing::run({.workers = 1, .time_limit = 20ms}, []() -> aya::task<> {
                for (;;)
                    ::pause();
                co_return;
            });
        } catch (...) {
        }
    });
    CHECK(signal == SIGABRT);
    CHECK(contains(text, "one of its steps does not end\n1 task\ntest (#"));
}
#endif
