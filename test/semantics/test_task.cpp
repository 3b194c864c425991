// SPDX-License-Identifier: Apache-2.0
// The contract's section 1: creation and completion of tasks.
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

aya::task<int> answer() { co_return 42; }
aya::task<int> fail() {
    throw std::runtime_error("no");
    co_return 0;
}
aya::task<> raise_cancelled() {
    throw aya::cancelled_error("by itself");
    co_return;
}

template <class H>
concept result_can_be_set = requires(H& h) { h.set_result(1); } || requires(H& h) { h.set_exception(nullptr); };

} // namespace

TEST_CASE("T1: create_task does not run the body before it returns") {
    in_order([]() -> aya::task<> {
        bool started = false;
        auto body = [&]() -> aya::task<> {
            started = true;
            co_return;
        };
        auto const h = aya::create_task(body);
        CHECK_FALSE(started);
        CHECK_FALSE(h.done());
        co_await h;
        CHECK(started);
    });
}

TEST_CASE("T1: the handle is complete before the body can run, on whichever worker") {
    everywhere([]() -> aya::task<> {
        for (int i = 0; i < 200; ++i) {
            auto body = []() -> aya::task<std::string> { co_return aya::current_task().name(); };
            auto const h = aya::create_task({.name = "early"}, body);
            std::string const name = co_await h;
            CHECK(name == "early");
        }
    });
}

TEST_CASE("T2: tasks take their first steps in the order of creation") {
    in_order([]() -> aya::task<> {
        std::vector<int> order;
        auto body = [&](int i) -> aya::task<> {
            order.push_back(i);
            co_return;
        };
        std::vector<aya::task_handle<>> all;
        for (int i = 0; i < 10; ++i)
            all.push_back(aya::create_task(body, i));
        co_await test::settle();
        CHECK(order == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
    });
}

TEST_CASE("T2: so do the children of a task group, and those of a gather") {
    in_order([]() -> aya::task<> {
        std::vector<int> const in_turn{0, 1, 2, 3, 4};
        std::vector<int> order;
        auto body = [&](int i) -> aya::task<> {
            order.push_back(i);
            co_return;
        };
        auto grouped = [&](aya::task_group& group) -> aya::task<> {
            for (int const i : in_turn)
                (void)group.create_task(body, i);
            co_return;
        };
        co_await aya::with_task_group(grouped);
        CHECK(order == in_turn);
        order.clear();
        std::vector<aya::task<>> tasks;
        for (int const i : in_turn)
            tasks.push_back(body(i));
        co_await aya::gather(std::move(tasks));
        CHECK(order == in_turn);
    });
}

TEST_CASE("T3: a task is done exactly when its body returned, threw or was cancelled, and stays so") {
    everywhere([]() -> aya::task<> {
        auto const returned = aya::create_task(answer());
        auto const failed = aya::create_task(fail());
        auto const cancelled = aya::create_task(test::forever());
        auto const waiting = aya::create_task(test::forever());
        co_await test::settle();
        cancelled.cancel();
        co_await test::settle();
        for (int i = 0; i < 2; ++i) {
            CHECK(returned.done());
            CHECK_FALSE(returned.cancelled());
            CHECK(failed.done());
            CHECK_FALSE(failed.cancelled());
            CHECK(cancelled.done());
            CHECK(cancelled.cancelled());
            CHECK_FALSE(waiting.done());
            co_await test::settle();
        }
        CHECK(failed.exception() != nullptr);
    });
}

TEST_CASE("T4: result() of a pending task throws invalid_state_error, of a cancelled one cancelled_error, of a failed one its own") {
    everywhere([]() -> aya::task<> {
        auto const pending = aya::create_task(test::forever());
        auto const failed = aya::create_task(fail());
        auto const good = aya::create_task(answer());
        co_await test::settle();
        CHECK_THROWS_AS(pending.result(), aya::invalid_state_error);
        pending.cancel();
        co_await test::settle();
        CHECK_THROWS_AS(pending.result(), aya::cancelled_error);
        for (int i = 0; i < 3; ++i) { // any number of times
            CHECK_THROWS_AS((void)failed.result(), std::runtime_error);
            CHECK(good.result() == 42);
        }
    });
}

TEST_CASE("T5: exception() of a cancelled task throws, of one that returned is null") {
    everywhere([]() -> aya::task<> {
        auto const cancelled = aya::create_task(test::forever());
        auto const good = aya::create_task(answer());
        auto const failed = aya::create_task(fail());
        CHECK_THROWS_AS((void)cancelled.exception(), aya::invalid_state_error);
        cancelled.cancel();
        co_await test::settle();
        CHECK_THROWS_AS((void)cancelled.exception(), aya::cancelled_error);
        CHECK(good.exception() == nullptr);
        CHECK_THROWS_AS(std::rethrow_exception(failed.exception()), std::runtime_error);
    });
}

TEST_CASE("T6: nobody sets a task's result from outside") {
    static_assert(!result_can_be_set<aya::task_handle<int>>);
    static_assert(!result_can_be_set<aya::any_task_handle>);
}

TEST_CASE("T7: a body that throws cancelled_error by itself makes the task cancelled, with no request counted") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(raise_cancelled());
        std::string message;
        try {
            co_await h;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK(message == "by itself");
        CHECK(h.cancelled());
        CHECK(h.cancelling() == 0);
    });
}

TEST_CASE("T8: awaiting a task that is done does not suspend and delivers no cancellation") {
    everywhere([]() -> aya::task<> {
        auto const done = aya::create_task(answer());
        co_await test::settle();
        auto body = [&]() -> aya::task<int> {
            aya::current_task().cancel();
            int const value = co_await done; // no suspension, no cancellation
            int const again = co_await aya::shield(done);
            CHECK(value + again == 84);
            aya::current_task().uncancel();
            co_return value;
        };
        auto const h = aya::create_task(body);
        int const value = co_await h;
        CHECK(value == 42);
    });
}

TEST_CASE("T9: a task that awaits itself gets invalid_state_error there") {
    everywhere([]() -> aya::task<> {
        aya::task_handle<int> self;
        aya::event known;
        auto body = [&]() -> aya::task<int> {
            co_await known.wait();
            try {
                int const value = co_await self;
                co_return value;
            } catch (aya::invalid_state_error const&) {
                co_return -1;
            }
        };
        self = aya::create_task(body);
        known.set();
        int const result = co_await self;
        CHECK(result == -1);
    });
}

TEST_CASE("T10: several tasks may await one; all get the same result or exception object") {
    everywhere([]() -> aya::task<> {
        aya::event go;
        auto slow_fail = [&]() -> aya::task<> {
            co_await go.wait();
            throw std::runtime_error("shared");
        };
        auto slow = [&]() -> aya::task<std::string> {
            co_await go.wait();
            co_return "shared";
        };
        auto const failing = aya::create_task(slow_fail);
        auto const good = aya::create_task(slow);
        auto error_of = [&]() -> aya::task<std::exception_ptr> {
            try {
                co_await failing;
            } catch (std::runtime_error const&) {
                co_return std::current_exception();
            }
            co_return nullptr;
        };
        auto address_of = [&]() -> aya::task<std::string const*> {
            std::string const& s = co_await good;
            co_return &s;
        };
        auto const e1 = aya::create_task(error_of);
        auto const e2 = aya::create_task(error_of);
        auto const a1 = aya::create_task(address_of);
        auto const a2 = aya::create_task(address_of);
        co_await test::settle();
        go.set();
        co_await aya::gather(e1, e2, a1, a2);
        CHECK(e1.result() != nullptr);
        CHECK(e1.result() == e2.result());
        CHECK(a1.result() == a2.result());
        CHECK(*a1.result() == "shared");
    });
}

TEST_CASE("T11: cancelling one of two that await a task cancels the task, and so ends the other one too") {
    everywhere([]() -> aya::task<> {
        auto const inner = aya::create_task(test::forever());
        auto await_inner = [&]() -> aya::task<> { co_await inner; };
        auto const a = aya::create_task(await_inner);
        auto const b = aya::create_task(await_inner);
        co_await test::settle();
        CHECK(a.cancel());
        co_await test::settle();
        CHECK(inner.cancelled());
        CHECK(a.cancelled());
        CHECK(b.cancelled());
        CHECK(a.cancelling() == 1);
        CHECK(inner.cancelling() == 1);
        CHECK(b.cancelling() == 0);
    });
}

TEST_CASE("T13: default names are Task-N, distinct, and may be changed later") {
    everywhere([]() -> aya::task<> {
        std::vector<std::string> names;
        for (int i = 0; i < 20; ++i) {
            auto const h = aya::create_task(answer());
            names.push_back(h.name());
            CHECK(names.back().rfind("Task-", 0) == 0);
            h.set_name("changed");
            CHECK(h.name() == "changed");
        }
        std::sort(names.begin(), names.end());
        CHECK(std::unique(names.begin(), names.end()) == names.end());
        co_return;
    });
}

TEST_CASE("T14: current_task() outside a task is an error; inside it survives suspensions and migration") {
    CHECK_THROWS_AS((void)aya::current_task(), aya::invalid_state_error);
    CHECK_THROWS_AS((void)aya::create_task(answer()), aya::invalid_state_error);
    everywhere([]() -> aya::task<> {
        std::atomic<int> wrong{0};
        auto body = [&]() -> aya::task<> {
            auto const me = aya::current_task();
            for (int i = 0; i < 50; ++i) {
                co_await aya::yield();
                if (!(aya::current_task() == me))
                    wrong.fetch_add(1);
            }
        };
        std::vector<aya::task_handle<>> all;
        for (int i = 0; i < 20; ++i)
            all.push_back(aya::create_task(body));
        co_await aya::gather(all);
        CHECK(wrong.load() == 0);
    });
}
