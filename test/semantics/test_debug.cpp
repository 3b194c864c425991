// SPDX-License-Identifier: Apache-2.0
// Section 17 of the contract, the debug mode; and stop().
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

// What is reported until the end of a runtime of each kind with these options that runs `body`.
void reports_of(aya::task<> (*body)(), aya::runtime_options options,
                std::function<void(std::vector<aya::exception_report> const&)> const& look) {
    for (std::size_t const workers : test::every_kind) {
        std::vector<aya::exception_report> seen;
        std::deque<std::string> messages; // kept where they are
        options.exception_handler = [&](aya::exception_report const& r) { // one at a time
            seen.push_back(r);
            seen.back().message = messages.emplace_back(r.message);
        };
        {
            aya::runtime rt(test::kind{workers}.options(options));
            rt.block_on(body());
        }
        look(seen);
    }
}

aya::task<> nothing() { co_return; }

aya::task<> some_steps() {
    aya::task_handle<> const h = aya::create_task({.name = "busy"}, [] { return nothing(); });
    co_await h;
    (void)aya::call_soon([] {});
    co_await aya::yield();
    co_await aya::yield();
}

aya::task<> drop_one() {
    {
        auto const forgotten = nothing();
    }
    bool const over = co_await test::throws<aya::timeout_error>(aya::wait_for(nothing(), 0ms)); // refused, not forgotten
    CHECK(over);
}

aya::task<> fail() {
    throw std::runtime_error("expected");
    co_return;
}

aya::task<> lose_an_exception() {
    std::vector handles(1, aya::create_task(fail));
    (void)co_await aya::wait(std::move(handles));
}

bool debug_of(std::optional<bool> asked) {
    aya::runtime const rt({.scheduler = aya::scheduler_kind::event_loop, .debug = asked});
    return rt.debug();
}

// A group refuses a task, since it shuts down.
aya::task<> refused_by_a_group() {
    auto body = [](aya::task_group& group) -> aya::task<> {
        auto fail = []() -> aya::task<> {
            throw std::runtime_error("first");
            co_return;
        };
        (void)group.create_task(fail());
        bool const cancelled = co_await test::throws<aya::cancelled_error>(test::forever());
        CHECK(cancelled);
        CHECK_THROWS_AS((void)group.create_task(nothing()), aya::invalid_state_error);
    };
    bool const failed = co_await test::throws<aya::exception_group>(aya::with_task_group(body));
    CHECK(failed);
}

} // namespace

TEST_CASE("R14: the option forces debug mode on or off; unset, the environment decides") {
    ::unsetenv("AYA_DEBUG");
    CHECK_FALSE(debug_of({}));
    CHECK(debug_of(true));
    for (char const* const on : {"1", "yes"}) {
        ::setenv("AYA_DEBUG", on, 1);
        CHECK(debug_of({}));
        CHECK_FALSE(debug_of(false));
    }
    for (char const* const off : {"", "0"}) {
        ::setenv("AYA_DEBUG", off, 1);
        CHECK_FALSE(debug_of({}));
    }
    ::unsetenv("AYA_DEBUG");
}

TEST_CASE("D4: in debug mode, steps and callbacks that take long are reported, with the task's name") {
    // No step takes less than no time, and none a day: so nobody has to be slow here.
    reports_of(some_steps, {.debug = true, .slow_callback_duration = 0ns}, [](auto const& seen) {
        bool step = false, callback = false;
        for (aya::exception_report const& r : seen) {
            CHECK(r.exception == nullptr);
            bool const of_step = r.message.starts_with("Executing a step took ");
            bool const of_callback = r.message.starts_with("Executing a callback took ");
            CHECK((of_step || of_callback));
            CHECK(r.message.ends_with(" seconds"));
            step = step || (of_step && r.task_name == "busy" && !r.created.empty());
            callback = callback || of_callback;
        }
        CHECK(step);
        CHECK(callback);
    });
    reports_of(some_steps, {.debug = true, .slow_callback_duration = 24h}, [](auto const& seen) { CHECK(seen.empty()); });
    reports_of(some_steps, {.debug = false, .slow_callback_duration = 0ns}, [](auto const& seen) { CHECK(seen.empty()); });
}

TEST_CASE("D5: in debug mode, a coroutine that is dropped unawaited is reported, with the place") {
    reports_of(drop_one, {.debug = true, .slow_callback_duration = 24h}, [](auto const& seen) {
        REQUIRE(seen.size() == 1);
        CHECK(seen[0].message == "A coroutine was never awaited; it was made here");
        CHECK_FALSE(seen[0].created.empty());
        CHECK(seen[0].stack.find("test_debug.cpp:") != std::string::npos);
    });
    reports_of(drop_one, {.debug = false}, [](auto const& seen) { CHECK(seen.empty()); });
}

TEST_CASE("TG18, D5: a task that a closing group refuses was not forgotten") {
    reports_of(refused_by_a_group, {.debug = true, .slow_callback_duration = 24h}, [](auto const& seen) { CHECK(seen.empty()); });
}

TEST_CASE("D6: call_soon, call_later and call_at of a thread that is not the runtime's are refused, in debug mode or not") {
    test::on_every_runtime([](aya::runtime& rt) {
        CHECK_THROWS_AS((void)aya::call_soon([] {}), aya::invalid_state_error);
        CHECK_THROWS_AS((void)aya::call_later(1ms, [] {}), aya::invalid_state_error);
        CHECK_THROWS_AS((void)aya::call_at(aya::time_point(), [] {}), aya::invalid_state_error);
        std::atomic<bool> called = false;
        rt.block_on([](aya::runtime* of, std::atomic<bool>* set) -> aya::task<> {
            std::thread([=] { (void)aya::call_soon_threadsafe(*of, [=] { *set = true; }); }).join();
            bool const in_time = co_await test::eventually([=] { return set->load(); });
            CHECK(in_time);
        }, &rt, &called);
    });
}

TEST_CASE("D8: in debug mode, reports say where the task was created") {
    reports_of(lose_an_exception, {.debug = true, .slow_callback_duration = 24h}, [](auto const& seen) {
        REQUIRE(seen.size() == 1);
        CHECK(seen[0].message == "Task exception was never retrieved");
        CHECK_FALSE(seen[0].created.empty());
    });
    reports_of(lose_an_exception, {.debug = false}, [](auto const& seen) {
        REQUIRE(seen.size() == 1);
        CHECK(seen[0].created.empty());
    });
}

TEST_CASE("S11: stop() ends the waits of the threads outside; what was spawned goes on when they wait again") {
    test::on_every_runtime([](aya::runtime& rt) {
        CHECK_FALSE(rt.stop()); // nobody waits
        aya::event go_on;
        auto await_it = [](aya::event* e) -> aya::task<int> {
            co_await e->wait();
            co_return 1;
        };
        auto const h = rt.spawn(await_it, &go_on);
        // A pool may run the first steps before anybody waits.
        auto wait_until_stopped = [](aya::runtime* of) -> aya::task<> {
            while (!of->stop())
                co_await aya::yield();
            co_await test::forever();
        };
        CHECK_THROWS_AS(rt.block_on(wait_until_stopped, &rt), aya::invalid_state_error);
        CHECK_FALSE(rt.stop());
        CHECK_FALSE(h.done());
        auto set_it = [](aya::event* e) -> aya::task<> {
            e->set();
            co_return;
        };
        rt.block_on(set_it, &go_on);
        rt.wait(h);
        CHECK(h.result() == 1);
    });
}
