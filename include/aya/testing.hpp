// SPDX-License-Identifier: Apache-2.0
// Tests of programs that use this library: a test's body is a coroutine, time is virtual, what a test leaves behind is a failure, and a scenario can
// be run in every order. Works with any framework whose tests fail by exceptions; the library's own tests use doctest:
//
//     TEST_CASE("the cache asks once") {
//         aya::testing::run([]() -> aya::task<> {
//             cache c;
//             auto [a, b] = co_await aya::gather(c.get("x"), c.get("x"));
//             CHECK(c.questions() == 1);
//         });
//     }
//
// <aya/testing/doctest.hpp> makes that a line shorter.
#pragma once

#include <aya/runtime.hpp>
#include <aya/sleep.hpp>
#include <aya/task.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace aya::inline v1::testing {

/// What went wrong with a test as a whole; what() has it all, with the task tree.
class test_failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct test_options {
    /// Workers of the thread pool; 0: an event loop.
    std::size_t workers = 1;
    /// Time stands still while anything runs, and jumps to the next deadline when all is idle.
    bool virtual_time = true;
    /// In real time. A test that takes longer fails with a test_failure that has the task tree. If the test and its runtime have
    /// not ended ten seconds later (a step that never ends), the tree is printed and the program aborted.
    std::chrono::nanoseconds time_limit = std::chrono::seconds(60);
    /// Tasks that still run, timers that are armed, descriptors that are open when the body has ended and were not before: test_failure.
    bool check_leaks = true;
    /// As runtime_options::debug.
    std::optional<bool> debug = {};
};

/// Runs the coroutine that `body` makes as the main task of a runtime of its own, to its end. Throws what it throws, or test_failure.
void run(test_options options, std::function<task<>()> body);
inline void run(std::function<task<>()> body) { run(test_options(), std::move(body)); }

/// On an event loop and on pools of 1, 2 and 8 workers; test_failure names the one that failed, where an exception of the body's does not.
void run_everywhere(test_options options, std::function<task<>()> body);
inline void run_everywhere(std::function<task<>()> body) { run_everywhere(test_options(), std::move(body)); }

/// Under virtual time: `co_await settle()` goes on when nothing else can.
inline auto settle() { return sleep(std::chrono::microseconds(1)); }

/// Throws test_failure if `condition` does not hold: a check that stops its coroutine, as explore() needs it.
void require(bool condition, std::string const& what);

/// Which orders explore() tries.
struct exploration {
    /// At most so many.
    std::size_t schedules = 1000;
    /// Of the random choices; schedule i uses seed + i.
    std::uint64_t seed = 1;
    /// One order after the other instead, each once, until there is no other or `schedules` were tried: for small scenarios.
    bool exhaustive = false;
    /// Of one run; one that has taken more goes round in circles, and has failed.
    std::size_t steps = 10'000;
    /// The one order that a failure has named, and no other. explore() throws std::invalid_argument for what is none.
    std::string replay = {};
};

struct exploration_report {
    std::size_t schedules = 0; ///< tried
    bool complete = false;     ///< exhaustive, and there are no others
    std::size_t longest = 0;   ///< the most choices that one of them made
};

/// A scenario went wrong in some order. what(): how, which order it was, and the task tree.
class schedule_failure : public test_failure {
public:
    schedule_failure(std::string const& what, std::string order, std::size_t schedules)
        : test_failure(what), order_(std::move(order)), schedules_(schedules) {}

    /// For exploration::replay.
    [[nodiscard]] std::string const& order() const noexcept { return order_; }
    /// How many were tried.
    [[nodiscard]] std::size_t schedules() const noexcept { return schedules_; }

private:
    std::string order_;
    std::size_t schedules_;
};

/// Runs the scenario again and again on one thread under virtual time. Whenever several steps are ready, it chooses which one comes next: at
/// random, or each in turn. So every order of steps can come up, whatever the queues would have made of it. A scenario goes wrong when it throws, when
/// all its tasks wait and nothing will wake them, or when it leaves tasks or timers behind, or an exception that nobody retrieves. Each
/// run must make its state anew, in the coroutine; and behave alike in like order. Work on other threads (to_thread, to_cpu) ends when it
/// ends, which no order decides. Throws schedule_failure.
exploration_report explore(exploration options, std::function<task<>()> scenario);

} // namespace aya::inline v1::testing
