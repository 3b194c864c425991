// SPDX-License-Identifier: Apache-2.0
// The contract's section 5.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<int> after(std::chrono::milliseconds d, int value) {
    co_await aya::sleep(d);
    co_return value;
}
aya::task<int> fail_after(std::chrono::milliseconds d, char const* text) {
    co_await aya::sleep(d);
    throw std::runtime_error(text);
}
aya::task<int> stubborn(int value) {
    (void)co_await test::throws<aya::cancelled_error>(test::forever());
    co_return value;
}
aya::task<int> endless() {
    co_await test::forever();
    co_return 0;
}
// Takes `d` to clean up.
aya::task<int> slow_to_end(std::chrono::milliseconds d) {
    (void)co_await test::throws<aya::cancelled_error>(test::forever());
    co_await aya::sleep(d);
    throw aya::cancelled_error();
}

} // namespace

TEST_CASE("G1: results are in argument order, whatever the order of completion") {
    everywhere([]() -> aya::task<> {
        auto const [a, b, c] = co_await aya::gather(after(3ms, 1), after(1ms, 2), after(2ms, 3));
        CHECK(a == 1);
        CHECK(b == 2);
        CHECK(c == 3);
    });
}

TEST_CASE("G2, G3: a gather of nothing, or of what is done, does not suspend") {
    in_order([]() -> aya::task<> {
        auto const done = aya::create_task(after(0ms, 1));
        co_await test::settle();
        bool other_ran = false;
        auto other_body = [&]() -> aya::task<> {
            other_ran = true;
            co_return;
        };
        auto const other = aya::create_task(other_body);
        std::vector<aya::task<int>> none;
        std::vector<int> const nothing = co_await aya::gather(std::move(none));
        CHECK(nothing.empty());
        CHECK_FALSE(other_ran);
        auto const [value, again] = co_await aya::gather(done, done);
        CHECK(value + again == 2);
        CHECK_FALSE(other_ran);
        co_await other;
    });
}

TEST_CASE("G4: the first exception in completion order ends the gather at once; the others run on, uncancelled") {
    everywhere([]() -> aya::task<> {
        auto const slow = aya::create_task(after(10ms, 1));
        auto const failing = aya::create_task(fail_after(2ms, "first"));
        auto const later = aya::create_task(fail_after(5ms, "second"));
        std::string text;
        try {
            (void)co_await aya::gather(slow, later, failing);
        } catch (std::runtime_error const& e) {
            text = e.what();
        }
        CHECK(text == "first");
        CHECK(aya::now() == aya::time_point(2ms));
        CHECK_FALSE(slow.done());
        CHECK(slow.cancelling() == 0);
        int const value = co_await slow;
        CHECK(value == 1);
        CHECK(later.done());
    });
}

TEST_CASE("G5: exceptions of tasks that fail later are not reported") {
    test::report_log log;
    aya::runtime_options options;
    options.virtual_time = true;
    options.exception_handler = log.handler();
    test::on_every_runtime(
        [](aya::runtime& rt) {
            auto body = []() -> aya::task<> {
                bool const threw = co_await test::throws<std::runtime_error>(
                    aya::create_task(aya::gather(fail_after(1ms, "first"), fail_after(2ms, "second"), fail_after(3ms, "third"))));
                CHECK(threw);
                co_await aya::sleep(10ms);
            };
            rt.block_on(body);
        },
        options);
    CHECK(log.count() == 0);
}

TEST_CASE("G6: return_exceptions puts exceptions and cancellations at their places, and waits for all") {
    everywhere([]() -> aya::task<> {
        auto const victim = aya::create_task(endless());
        auto const gathering = aya::create_task(
            aya::gather(aya::return_exceptions, fail_after(1ms, "no"), victim, after(5ms, 3)));
        co_await test::settle();
        victim.cancel();
        auto const& [a, b, c] = co_await gathering;
        CHECK(aya::now() == aya::time_point(5ms));
        CHECK_FALSE(a.cancelled());
        CHECK_THROWS_AS((void)a.value(), std::runtime_error);
        CHECK(b.cancelled());
        CHECK(c.value() == 3);
    });
}

TEST_CASE("G6: return_exceptions, with coroutines alone, and a range of them") {
    everywhere([]() -> aya::task<> {
        auto const [a, b, c] = co_await aya::gather(aya::return_exceptions, fail_after(0ms, "at once"), fail_after(1ms, "no"), after(5ms, 3));
        CHECK(aya::now() == aya::time_point(5ms));
        CHECK_THROWS_WITH_AS((void)a.value(), "at once", std::runtime_error);
        CHECK_THROWS_WITH_AS((void)b.value(), "no", std::runtime_error);
        CHECK(c.value() == 3);

        std::vector<aya::task<int>> parts;
        for (int i = 0; i < 100; ++i)
            parts.push_back(i % 3 == 0 ? fail_after(std::chrono::milliseconds(i % 2), "no") : after(std::chrono::milliseconds(i % 4), int{i}));
        auto const outcomes = co_await aya::gather(aya::return_exceptions, std::move(parts));
        for (std::size_t i = 0; i < outcomes.size(); ++i) {
            if (i % 3 == 0)
                CHECK_THROWS_AS((void)outcomes[i].value(), std::runtime_error);
            else
                CHECK(outcomes[i].value() == static_cast<int>(i));
        }
        CHECK(outcomes.size() == 100);
    });
}

TEST_CASE("G7, G8: a task that is cancelled from outside counts as having thrown; the siblings go on") {
    everywhere([]() -> aya::task<> {
        auto const victim = aya::create_task(endless());
        auto const sibling = aya::create_task(after(10ms, 1));
        auto const gathering = aya::create_task(aya::gather(sibling, victim));
        co_await test::settle();
        victim.cancel("why");
        co_await test::settle();
        CHECK(gathering.cancelled());
        CHECK(gathering.cancelling() == 0);
        CHECK_FALSE(sibling.done());
        CHECK(sibling.cancelling() == 0);
        co_await sibling;
    });
}

TEST_CASE("G9: cancelling the gathering task cancels every task that is not done") {
    everywhere([]() -> aya::task<> {
        auto const done = aya::create_task(after(0ms, 1));
        auto const a = aya::create_task(endless());
        auto const b = aya::create_task(endless());
        auto const gathering = aya::create_task(aya::gather(a, done, b));
        co_await test::settle();
        CHECK(gathering.cancel());
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(b.cancelled());
        CHECK_FALSE(done.cancelled());
        CHECK(done.cancelling() == 0);
        CHECK(gathering.cancelled());
    });
}

TEST_CASE("G10: after a cancel the gather throws as soon as the first task has ended") {
    everywhere([]() -> aya::task<> {
        auto const quick = aya::create_task(endless());
        auto const slow = aya::create_task(slow_to_end(10ms));
        auto const gathering = aya::create_task(aya::gather(slow, quick));
        co_await test::settle();
        gathering.cancel();
        co_await test::settle();
        CHECK(gathering.cancelled());
        CHECK_FALSE(slow.done());
        co_await aya::sleep(20ms);
        CHECK(slow.cancelled());
    });
}

TEST_CASE("G11: with return_exceptions it waits for all of them, and then throws") {
    everywhere([]() -> aya::task<> {
        auto const quick = aya::create_task(endless());
        auto const slow = aya::create_task(slow_to_end(10ms));
        auto const gathering = aya::create_task(aya::gather(aya::return_exceptions, slow, quick));
        co_await test::settle();
        gathering.cancel();
        co_await test::settle();
        CHECK(quick.done());
        CHECK_FALSE(gathering.done());
        co_await aya::sleep(20ms);
        CHECK(gathering.cancelled());
    });
}

TEST_CASE("G12: cancelled, and every task swallows it and returns: the gather throws cancelled_error all the same") {
    everywhere([]() -> aya::task<> {
        auto const values = aya::create_task(aya::gather(stubborn(1), stubborn(2)));
        auto const outcomes = aya::create_task(aya::gather(aya::return_exceptions, stubborn(1), stubborn(2)));
        co_await test::settle();
        values.cancel();
        outcomes.cancel();
        co_await test::settle();
        CHECK(values.cancelled());
        CHECK(outcomes.cancelled());
    });
}

TEST_CASE("G13: cancelled, and a task ends with another exception first: that one is thrown") {
    everywhere([]() -> aya::task<> {
        auto failing = []() -> aya::task<int> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw std::out_of_range("while cleaning up");
        };
        auto const gathering = aya::create_task(aya::gather(slow_to_end(10ms), failing()));
        co_await test::settle();
        gathering.cancel();
        bool const threw = co_await test::throws<std::out_of_range>(gathering);
        CHECK(threw);
    });
}

TEST_CASE("G14: cancelling a gather that is over returns false and cancels nobody") {
    everywhere([]() -> aya::task<> {
        auto const slow = aya::create_task(after(10ms, 1));
        auto const gathering = aya::create_task(aya::gather(fail_after(1ms, "no"), slow));
        bool const threw = co_await test::throws<std::runtime_error>(gathering);
        CHECK(threw);
        CHECK_FALSE(gathering.cancel());
        int const value = co_await slow;
        CHECK(value == 1);
        CHECK(slow.cancelling() == 0);
    });
}

TEST_CASE("G15: a task given twice runs once, and its result is at both places") {
    everywhere([]() -> aya::task<> {
        int runs = 0;
        auto body = [&]() -> aya::task<int> {
            ++runs;
            co_await aya::sleep(1ms);
            co_return 5;
        };
        auto const h = aya::create_task(body);
        std::vector<aya::task_handle<int>> both(2, h);
        both.push_back(aya::create_task(after(2ms, 6)));
        both.push_back(h);
        std::vector<int> const results = co_await aya::gather(both);
        CHECK(results == std::vector<int>{5, 5, 6, 5});
        CHECK(runs == 1);
    });
}

TEST_CASE("G15: ... and is cancelled once") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(endless());
        auto const gathering = aya::create_task(aya::gather(h, h));
        co_await test::settle();
        gathering.cancel();
        co_await test::settle();
        CHECK(h.cancelled());
        CHECK(gathering.cancelled());
    });
}

TEST_CASE("G18: a task has failed, and the gathering one is cancelled before it resumes: it ends cancelled") {
    test::on_event_loop([]() -> aya::task<> {
        aya::event go;
        aya::task_handle<> gathering;
        auto failing_body = [&]() -> aya::task<> {
            co_await go.wait();
            throw std::runtime_error("dropped");
        };
        auto canceller_body = [&]() -> aya::task<> {
            co_await go.wait();
            gathering.cancel();
        };
        auto const failing = aya::create_task(failing_body);
        auto gather_body = [&]() -> aya::task<> { co_await aya::gather(failing); };
        gathering = aya::create_task(gather_body);
        auto const canceller = aya::create_task(canceller_body);
        co_await test::settle();
        go.set(); // the failing task, then the canceller, then the gathering one
        co_await test::settle();
        CHECK(gathering.cancelled());
        CHECK_FALSE(failing.cancelled());
        CHECK(failing.exception() != nullptr);
    });
}

TEST_CASE("G17: tasks of two runtimes in one gather, wait or await are refused") {
    aya::runtime other(test::kind{1}.options());
    aya::event never;
    auto wait = [&]() -> aya::task<> { co_await never.wait(); };
    auto const foreign = other.spawn(wait);
    test::on_every_runtime([&](aya::runtime& rt) {
        auto body = [&]() -> aya::task<> {
            auto own = []() -> aya::task<> { co_return; };
            bool refused = co_await test::throws<std::invalid_argument>(aya::gather(foreign));
            CHECK(refused);
            refused = co_await test::throws<std::invalid_argument>(aya::gather(own(), foreign, own()));
            CHECK(refused);
            refused = co_await test::throws<std::invalid_argument>(aya::wait(std::vector<aya::task_handle<>>(1, foreign)));
            CHECK(refused);
            refused = co_await test::throws<std::invalid_argument>(foreign);
            CHECK(refused);
            refused = co_await test::throws<std::invalid_argument>(aya::shield(foreign));
            CHECK(refused);
        };
        rt.block_on(body);
        CHECK_FALSE(foreign.done());
    });
    never.set();
    other.wait(foreign);
}

TEST_CASE("G4: what a failed gather left behind goes on, also when a gather around it is cancelled later") {
    everywhere([]() -> aya::task<> {
        bool finished = false;
        std::atomic<bool> computed{false}; // by two tasks at once
        auto orphan = [&]() -> aya::task<> {
            co_await aya::sleep(200ms);
            // Its own children are not concerned either.
            auto compute = [&]() -> aya::task<> {
                computed = true;
                co_return;
            };
            co_await aya::gather(compute(), compute());
            finished = true;
        };
        auto fail = []() -> aya::task<> {
            co_await aya::sleep(10ms);
            throw std::runtime_error("first");
        };
        auto parent = [&]() -> aya::task<> {
            try {
                co_await aya::gather(orphan(), fail());
            } catch (std::runtime_error const&) {
            }
            co_await test::forever();
        };
        auto outer = [&]() -> aya::task<> { co_await aya::gather(parent(), test::forever()); };
        auto const h = aya::create_task(outer);
        co_await aya::sleep(60ms);
        h.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
        co_await aya::sleep(400ms);
        CHECK(finished);
        CHECK(computed.load());
    });
}
