// SPDX-License-Identifier: Apache-2.0
// Sections 3 and 4 of the contract: callbacks of futures and tasks, call_soon, call_later.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<int> seven() { co_return 7; }

} // namespace

TEST_CASE("F3, P4: callbacks never run inside the setter, and run in the order of registration") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        std::string log;
        for (char const c : {'a', 'b', 'c'})
            (void)p.get_future().add_done_callback([&log, c] { log += c; });
        co_await test::settle();
        CHECK(log.empty());
        aya::promise<> const go;
        auto setter = [&]() -> aya::task<> {
            (void)aya::call_soon([&] {
                p.set_value(1); // callbacks run one at a time: the new ones cannot have run yet
                log += log.empty() ? '-' : '!';
            });
            co_return;
        };
        co_await setter();
        co_await test::settle();
        CHECK(log == "-abc");
    });
}

TEST_CASE("F4: a callback added to a done future is called soon, not at once") {
    everywhere([]() -> aya::task<> {
        auto const t = aya::create_task(seven);
        co_await test::settle();
        CHECK(t.done());
        std::string log;
        (void)aya::call_soon([&log, t] {
            (void)t.add_done_callback([&log](aya::task_handle<int> const& h) { log += std::to_string(h.result()); });
            log += log.empty() ? '-' : '!';
        });
        co_await test::settle();
        CHECK(log == "-7");
    });
}

TEST_CASE("F5: one callback added several times is called as often; a removed one is not called") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        aya::future<int> const f = p.get_future();
        int calls = 0;
        auto const count = [&] { ++calls; };
        (void)f.add_done_callback(count);
        auto const second = f.add_done_callback(count);
        (void)f.add_done_callback(count);
        CHECK(f.remove_done_callback(second));
        CHECK_FALSE(f.remove_done_callback(second));
        aya::promise<int> const other;
        auto const foreign = other.get_future().add_done_callback(count);
        CHECK_FALSE(f.remove_done_callback(foreign)); // it is not this future's
        CHECK(foreign.cancel());
        other.set_value(1);
        p.set_value(1);
        co_await test::settle();
        CHECK(calls == 2);
    });
}

TEST_CASE("F6: nothing is removed from a done future; the call that is to come can still be cancelled") {
    in_order([]() -> aya::task<> {
        aya::promise<int> const p;
        aya::future<int> const f = p.get_future();
        int calls = 0;
        auto const stays = f.add_done_callback([&] { ++calls; });
        auto const goes = f.add_done_callback([&] { ++calls; });
        p.set_value(1);
        CHECK_FALSE(f.remove_done_callback(stays));
        CHECK(goes.cancel());
        co_await test::settle();
        CHECK(calls == 1);
    });
}

TEST_CASE("F7: a callback that throws is reported, and the others run") {
    test::report_log log;
    aya::runtime_options options;
    options.virtual_time = true;
    options.exception_handler = log.handler();
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            std::size_t const before = log.count();
            auto body = []() -> aya::task<int> {
                auto const t = aya::create_task(seven);
                int calls = 0;
                (void)t.add_done_callback([] { throw std::runtime_error("bad"); });
                (void)t.add_done_callback([&] { ++calls; });
                (void)aya::call_soon([] { throw aya::cancelled_error(); });
                (void)aya::call_soon([&] { ++calls; });
                co_await test::settle();
                co_return calls;
            };
            CHECK(rt.block_on(body) == 2);
            CHECK(log.count() == before + 2);
            CHECK(log.messages().back() == "Exception in callback");
        },
        options);
}

TEST_CASE("F2, T14: cancelling a future schedules its callbacks; no task is current in one") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        bool cancelled = false;
        bool inside = true;
        (void)p.get_future().add_done_callback([&](aya::future<int> const& f) {
            cancelled = f.cancelled();
            try {
                (void)aya::current_task();
            } catch (aya::invalid_state_error const&) {
                inside = false;
            }
        });
        p.cancel();
        co_await test::settle();
        CHECK(cancelled);
        CHECK_FALSE(inside);
    });
}

TEST_CASE("S6: call_soon is first in, first out, also among tasks; a new callback waits for the next turn") {
    in_order([]() -> aya::task<> {
        std::string log;
        auto step = [&](char c) -> aya::task<> {
            log += c;
            co_return;
        };
        (void)aya::call_soon([&] {
            log += 'a';
            (void)aya::call_soon([&] { log += 'e'; });
        });
        auto const b = aya::create_task(step, 'b');
        (void)aya::call_soon([&] { log += 'c'; });
        auto const d = aya::create_task(step, 'd');
        co_await test::settle();
        CHECK(log == "abcde");
    });
}

TEST_CASE("S7: a callback runs once unless it was cancelled before it started; cancelling it later has no effect") {
    everywhere([]() -> aya::task<> {
        int calls = 0;
        bool inside = true;
        aya::callback_handle h;
        (void)aya::call_soon([&] { // both under one callback, so that no worker takes them earlier
            h = aya::call_soon([&] {
                ++calls;
                inside = h.cancel();
            });
            CHECK(aya::call_soon([&] { calls += 10; }).cancel());
        });
        co_await test::settle();
        CHECK(calls == 1);
        CHECK_FALSE(inside);
        CHECK_FALSE(h.cancel());
        CHECK_FALSE(h.cancelled());
    });
}

TEST_CASE("S8: timers fire in the order of their deadlines, equal ones in the order of the calls") {
    everywhere([]() -> aya::task<> {
        std::string log;
        auto const at = aya::now() + 10ms;
        (void)aya::call_later(20ms, [&] { log += 'z'; });
        for (char const c : {'a', 'b', 'c', 'd'})
            (void)aya::call_at(at, [&log, c] { log += c; });
        (void)aya::call_later(5ms, [&] { log += '0'; });
        co_await aya::sleep(30ms);
        CHECK(log == "0abcdz");
    });
}

TEST_CASE("S9: a delay of zero or less is called soon, never inline") {
    everywhere([]() -> aya::task<> {
        std::string log;
        (void)aya::call_soon([&] {
            (void)aya::call_later(0s, [&] { log += 'a'; });
            (void)aya::call_later(-5s, [&] { log += 'b'; });
            log += '-';
        });
        co_await test::settle();
        CHECK(log.size() == 3);
        CHECK(log.front() == '-');
    });
}

TEST_CASE("S10: a fatal_error from a callback ends the run") {
    for (std::size_t const workers : test::every_kind) {
        test::report_log log; // of those that come before the main thread waits
        aya::runtime_options options = test::kind{workers}.options();
        options.exception_handler = log.handler();
        auto main = []() -> aya::task<> {
            auto leave = [](auto self) -> void {
                (void)aya::call_later(1ms, self, self);
                throw aya::system_exit(3);
            };
            (void)aya::call_later(1ms, leave, leave);
            co_await aya::sleep(1h);
        };
        CHECK_THROWS_AS(aya::run(options, main), aya::system_exit);
    }
}

TEST_CASE("S12, X12: a runtime that has shut down takes no callbacks") {
    std::string log;
    for (std::size_t const workers : test::every_kind) {
        test::report_log reports;
        aya::runtime_options options = test::kind{workers}.options();
        options.exception_handler = reports.handler();
        {
            aya::runtime rt(options);
            (void)aya::call_soon_threadsafe(rt, [&] {
                // The destructor lets this one run, and takes no new one.
                test::eventually_outside([] {
                    try {
                        return !aya::call_soon([] {}).cancel();
                    } catch (aya::invalid_state_error const&) {
                        return true;
                    }
                });
                (void)aya::call_soon([] {});
            });
        }
        CHECK(reports.count() == 1);
    }
}

TEST_CASE("X10: call_soon_threadsafe wakes a runtime that sleeps") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::promise<int> const p(rt);
        test::thread_crew crew;
        std::atomic<bool> waiting{false};
        crew.add([&] {
            test::eventually_outside([&] { return waiting.load(); });
            (void)aya::call_soon_threadsafe(rt, [&] { p.set_value(9); });
        });
        auto wait = [](aya::future<int> f, std::atomic<bool>& flag) -> aya::task<int> {
            flag.store(true);
            co_return co_await f;
        };
        CHECK(rt.block_on(wait, p.get_future(), std::ref(waiting)) == 9);
    });
}

namespace {

template <class F>
concept callable_soon = requires(F f) { aya::call_soon(f); };

} // namespace

TEST_CASE("D7: a coroutine function is refused as a plain callback") {
    static_assert(callable_soon<void (*)()>);
    static_assert(!callable_soon<aya::task<int> (*)()>);
    CHECK(callable_soon<int (*)()>); // a result is dropped
}
