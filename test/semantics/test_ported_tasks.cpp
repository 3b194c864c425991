// SPDX-License-Identifier: Apache-2.0
// What CPython's own tests of tasks, gathers, shields and futures ask for beyond the other files here; PORTED.md says which test each
// case answers.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<int> take_from(aya::future<int> f) { co_return co_await f; }

aya::task<int> fail_after(std::chrono::milliseconds d) {
    co_await aya::sleep(d);
    throw std::runtime_error("late");
}

// Counts how often each of the two reports comes.
aya::runtime_options with_log(test::report_log& log) {
    aya::runtime_options options;
    options.virtual_time = true;
    options.exception_handler = log.handler();
    return options;
}

} // namespace

TEST_CASE("C15, C16: blocks inside each other that take their own requests back leave the others' requests alone") {
    everywhere([]() -> aya::task<> {
        // What a timeout scope does, by hand: cancel the own task, catch that, and take it back.
        struct block {
            static aya::task<std::uint32_t> run(std::uint32_t inner) {
                aya::any_task_handle const me = aya::current_task();
                me.cancel();
                bool const mine = co_await test::throws<aya::cancelled_error>(test::forever());
                CHECK(mine);
                if (inner != 0)
                    (void)co_await run(inner - 1);
                co_return me.uncancel();
            }
        };
        auto body = []() -> aya::task<> {
            std::uint32_t const left = co_await block::run(3);
            CHECK(left == 0);
            CHECK(aya::current_task().cancelling() == 0);
            co_await aya::sleep(1ms); // nothing is pending
            // A request from outside before the blocks stays counted behind them.
            aya::current_task().cancel();
            bool const delivered = co_await test::throws<aya::cancelled_error>(test::forever());
            CHECK(delivered);
            std::uint32_t const kept = co_await block::run(3);
            CHECK(kept == 1);
            CHECK(aya::current_task().cancelling() == 1);
        };
        co_await aya::create_task(body);
    });
}

TEST_CASE("C17: a request that came after the wake-up is withdrawn before the task runs: it gets its value") {
    in_order([]() -> aya::task<> {
        for (int const withdrawals : {1, 0}) {
            aya::promise<int> const p;
            auto const h = aya::create_task(take_from, p.get_future());
            co_await test::settle();
            p.set_value(5);
            CHECK(h.cancel());
            for (int i = 0; i < withdrawals; ++i)
                CHECK(h.uncancel() == 0);
            co_await test::settle();
            CHECK(h.done());
            CHECK(h.cancelled() == (withdrawals == 0));
            if (withdrawals != 0)
                CHECK(h.result() == 5);
        }
    });
}

TEST_CASE("C9, F2: the awaited future is cancelled, and the task that awaits it as well") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        auto const h = aya::create_task(take_from, p.get_future());
        co_await test::settle();
        CHECK(p.cancel());
        (void)h.cancel(); // false where another worker was quicker
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
        CHECK(h.cancelled());
        CHECK(p.cancelled());
    });
}

TEST_CASE("C11, C6: a cancellation that is pending goes on to the task that is awaited next, and to the future behind it") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        aya::task_handle<int> inner;
        auto body = [&]() -> aya::task<int> {
            inner = aya::create_task(take_from, p.get_future());
            co_await test::settle(); // it waits for the future now
            aya::current_task().cancel("why");
            co_return co_await inner;
        };
        auto const outer = aya::create_task(body);
        std::string message;
        try {
            (void)co_await outer;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK(message == "why");
        CHECK(outer.cancelled());
        CHECK(inner.cancelled());
        CHECK(p.cancelled());
    });
}

TEST_CASE("T12: a fatal_error that a task throws while it is being cancelled ends the run, and is the task's exception") {
    for (std::size_t const workers : test::every_kind) {
        CAPTURE(workers);
        aya::task_handle<> h;
        auto leave = []() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw aya::system_exit(6);
        };
        auto main = [&]() -> aya::task<> {
            h = aya::create_task(leave);
            co_await test::settle();
            h.cancel();
            co_await test::forever();
        };
        aya::runtime_options options = test::kind{workers}.options();
        options.virtual_time = true;
        CHECK_THROWS_AS(aya::run(options, main), aya::system_exit);
        CHECK(h.done());
        CHECK_FALSE(h.cancelled());
        CHECK_THROWS_AS(h.result(), aya::system_exit);
    }
}

TEST_CASE("SH3: a shield gives the inner task's exception, later or at once") {
    everywhere([]() -> aya::task<> {
        auto const inner = aya::create_task(fail_after(5ms));
        for (int i = 0; i < 2; ++i) { // done at the second time
            bool const threw = co_await test::throws<std::runtime_error>(aya::wait_for(aya::shield(inner), 1s));
            CHECK(threw);
        }
        CHECK(aya::now() == aya::time_point(5ms));
    });
}

TEST_CASE("SH4: two shields of one task that were both left: its exception is reported once") {
    test::report_log log;
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            std::size_t const before = log.count();
            rt.block_on([]() -> aya::task<> {
                auto wait = [](aya::task_handle<int> h) -> aya::task<> { (void)co_await aya::shield(h); };
                std::vector<aya::task_handle<>> waiting;
                {
                    auto const inner = aya::create_task(fail_after(10ms));
                    for (int i = 0; i < 2; ++i)
                        waiting.push_back(aya::create_task(wait, inner));
                    co_await test::settle();
                }
                for (auto const& w : waiting)
                    w.cancel();
                co_await aya::sleep(20ms);
                for (auto const& w : waiting)
                    CHECK(w.cancelled());
            });
            CHECK(log.count() == before + 1);
        },
        with_log(log));
}

TEST_CASE("G5: the later exceptions of tasks whose handles were gathered are not reported either") {
    test::report_log log;
    test::on_every_runtime(
        [](aya::runtime& rt) {
            rt.block_on([]() -> aya::task<> {
                {
                    std::vector<aya::task_handle<int>> handles;
                    for (int i = 1; i <= 3; ++i)
                        handles.push_back(aya::create_task(fail_after(std::chrono::milliseconds(i))));
                    bool const threw = co_await test::throws<std::runtime_error>(aya::create_task(aya::gather(handles)));
                    CHECK(threw);
                }
                co_await aya::sleep(10ms);
            });
        },
        with_log(log));
    CHECK(log.count() == 0);
}

TEST_CASE("G1: a range too gives its results in the order of its tasks") {
    everywhere([]() -> aya::task<> {
        auto number = [](int i) -> aya::task<int> {
            co_await aya::sleep(std::chrono::milliseconds(20 - i));
            co_return i;
        };
        std::vector<aya::task<int>> tasks;
        std::vector<aya::task_handle<int>> handles;
        for (int i = 0; i < 20; ++i) {
            tasks.push_back(number(i));
            handles.push_back(aya::create_task(number, i));
        }
        std::vector<int> const of_tasks = co_await aya::gather(std::move(tasks));
        std::vector<int> const of_handles = co_await aya::gather(handles);
        CHECK(std::is_sorted(of_tasks.begin(), of_tasks.end()));
        CHECK(of_handles == of_tasks);
    });
}

TEST_CASE("G9, G14: when all its tasks are done, nothing is left for a gather to cancel") {
    in_order([]() -> aya::task<> {
        auto const a = aya::create_task(aya::sleep(1ms, 1));
        auto const b = aya::create_task(aya::sleep(1ms, 2));
        auto const gathering = aya::create_task(aya::gather(a, b));
        co_await aya::sleep(5ms);
        CHECK_FALSE(gathering.cancel());
        CHECK_FALSE(gathering.cancelled());
        CHECK(a.cancelling() + b.cancelling() == 0);
        auto const [one, two] = co_await gathering;
        CHECK(one + two == 3);
    });
}

TEST_CASE("AC1: tasks that ended before anybody asked come in the order of their ends") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> handles;
        for (int const d : {3, 1, 2, 5, 4})
            handles.push_back(aya::create_task(aya::sleep(std::chrono::milliseconds(d), d)));
        auto c = aya::as_completed(handles);
        co_await aya::sleep(10ms);
        std::vector<int> order;
        while (auto const h = co_await c.next())
            order.push_back(h.result());
        CHECK(order == std::vector<int>{1, 2, 3, 4, 5});
    });
}

TEST_CASE("AC3: a timeout that is not reached changes nothing, and its timer goes with the iteration") {
    everywhere([]() -> aya::task<> {
        int sum = 0;
        {
            std::vector<aya::task_handle<int>> handles;
            for (int const d : {2, 1})
                handles.push_back(aya::create_task(aya::sleep(std::chrono::milliseconds(d), d)));
            auto c = aya::as_completed(handles, 10h);
            while (auto const h = co_await c.next())
                sum = 10 * sum + h.result();
        }
        CHECK(sum == 12);
        co_await aya::sleep(1s);
        CHECK(aya::now() < aya::time_point(1h)); // virtual time did not go to the timer
    });
}

TEST_CASE("F11: a future with a result that nobody asked for, and one that nobody set or awaited, are not reported") {
    test::report_log log;
    test::on_every_runtime(
        [](aya::runtime& rt) {
            aya::promise<int> const unasked(rt);
            unasked.set_value(1);
            aya::promise<int> const asked(rt);
            asked.set_value(1);
            CHECK(asked.get_future().result() == 1);
            aya::promise<int> const failed(rt);
            failed.set_exception(std::make_exception_ptr(std::runtime_error("asked for")));
            CHECK_THROWS_AS((void)failed.get_future().result(), std::runtime_error);
            aya::promise<int> const pending(rt);
        },
        with_log(log));
    CHECK(log.count() == 0);
}

TEST_CASE("F3: the callbacks of a future that fails, and of one that is cancelled, are called with it, in order") {
    everywhere([]() -> aya::task<> {
        for (bool const cancelled : {false, true}) {
            aya::promise<int> const p;
            std::string log;
            for (char const name : {'a', 'b'})
                (void)p.get_future().add_done_callback([&log, name](aya::future<int> const& f) {
                    log += name;
                    log += f.cancelled() ? 'c' : f.exception() != nullptr ? 'e' : '?';
                });
            if (cancelled)
                p.cancel();
            else
                p.set_exception(std::make_exception_ptr(std::runtime_error("bad")));
            co_await test::settle();
            CHECK(log == (cancelled ? "acbc" : "aebe"));
        }
    });
}

TEST_CASE("F1: a result for a future that was cancelled is refused, or dropped by who only tries") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        CHECK_FALSE(p.done());
        CHECK_FALSE(p.cancelled());
        CHECK(p.get_future().cancel());
        CHECK_FALSE(p.try_set_value(1));
        CHECK(p.cancelled());
        CHECK_THROWS_AS((void)p.get_future().result(), aya::cancelled_error);
        co_return;
    });
}

TEST_CASE("EG6: eager tasks inside each other are bounded: a deep one is queued") {
    in_order([]() -> aya::task<> {
        struct nest {
            static aya::task<int> down(int levels) {
                if (levels == 0)
                    co_return 0;
                auto const h = aya::create_task({.eager_start = true}, &nest::down, levels - 1);
                co_return 1 + co_await h;
            }
        };
        auto const deep = aya::create_task({.eager_start = true}, &nest::down, 100);
        CHECK_FALSE(deep.done());
        int const levels = co_await deep;
        CHECK(levels == 100);
    });
}
