// SPDX-License-Identifier: Apache-2.0
// The contract's section 2: how a request passes through tasks that wait for each other.
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

template <class T>
aya::task<T> pass_on(aya::task_handle<T> inner) {
    co_return co_await inner;
}

} // namespace

TEST_CASE("C5: cancel() goes to the awaited task first, and comes back only when that has ended") {
    everywhere([]() -> aya::task<> {
        aya::event leave;
        auto slow = [&]() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await leave.wait();
            throw aya::cancelled_error("inner");
        };
        auto const inner = aya::create_task(slow);
        auto const outer = aya::create_task(pass_on(inner));
        co_await test::settle();
        CHECK(outer.cancel("outer"));
        co_await test::settle();
        CHECK_FALSE(outer.done());
        CHECK_FALSE(inner.done());
        leave.set();
        std::string message;
        try {
            co_await outer;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK(message == "inner");
        CHECK(inner.cancelled());
    });
}

TEST_CASE("C6: through C -> B -> A, each awaiting the next: one request counted on each, all end cancelled") {
    everywhere([]() -> aya::task<> {
        auto const a = aya::create_task(test::forever());
        auto const b = aya::create_task(pass_on(a));
        auto const c = aya::create_task(pass_on(b));
        co_await test::settle();
        CHECK(c.cancel("why"));
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(b.cancelled());
        CHECK(c.cancelled());
        CHECK(a.cancelling() == 1);
        CHECK(b.cancelling() == 1);
        CHECK(c.cancelling() == 1);
        std::string message;
        try {
            c.result();
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK(message == "why");
    });
}

TEST_CASE("C7: an inner task that swallows the request and returns: the outer one gets the value and is not cancelled") {
    everywhere([]() -> aya::task<> {
        auto stubborn = []() -> aya::task<int> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_return 7;
        };
        auto const inner = aya::create_task(stubborn);
        auto const outer = aya::create_task(pass_on(inner));
        co_await test::settle();
        CHECK(outer.cancel());
        int const value = co_await outer;
        CHECK(value == 7);
        CHECK_FALSE(outer.cancelled());
        CHECK(outer.cancelling() == 1);
        CHECK(inner.cancelling() == 1);
    });
}

TEST_CASE("C8: an inner task that ends with another exception: the outer one sees that") {
    everywhere([]() -> aya::task<> {
        auto failing = []() -> aya::task<int> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw std::out_of_range("while cleaning up");
        };
        auto const inner = aya::create_task(failing);
        auto const outer = aya::create_task(pass_on(inner));
        co_await test::settle();
        outer.cancel();
        bool const threw = co_await test::throws<std::out_of_range>(outer);
        CHECK(threw);
        CHECK_FALSE(outer.cancelled());
    });
}

TEST_CASE("C18: a request that was passed on is not withdrawn by uncancel()") {
    in_order([]() -> aya::task<> {
        auto const inner = aya::create_task(test::forever());
        auto const outer = aya::create_task(pass_on(inner));
        co_await test::settle();
        outer.cancel();
        CHECK(outer.uncancel() == 0);
        co_await test::settle();
        CHECK(inner.cancelled());
        CHECK(outer.cancelled());
        CHECK(outer.cancelling() == 0);
    });
}

TEST_CASE("C22: a task whose awaited task was cancelled by somebody else is cancelled, with no request counted") {
    everywhere([]() -> aya::task<> {
        auto const inner = aya::create_task(test::forever());
        auto const outer = aya::create_task(pass_on(inner));
        co_await test::settle();
        inner.cancel();
        co_await test::settle();
        CHECK(outer.cancelled());
        CHECK(outer.cancelling() == 0);
        CHECK(inner.cancelling() == 1);
    });
}

TEST_CASE("C6: tasks that wait for each other in a circle can be cancelled") {
    everywhere([]() -> aya::task<> {
        aya::task_handle<> a;
        aya::task_handle<> b;
        aya::event go;
        auto await_b = [&]() -> aya::task<> {
            co_await go.wait();
            co_await b;
        };
        auto await_a = [&]() -> aya::task<> {
            co_await go.wait();
            co_await a;
        };
        a = aya::create_task(await_b);
        b = aya::create_task(await_a);
        go.set();
        co_await test::settle();
        CHECK_FALSE(a.done());
        CHECK(a.cancel());
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(b.cancelled());
    });
}

TEST_CASE("C6: a gather inside a task inside a gather: every leaf is cancelled") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<>> leaves;
        for (int i = 0; i < 4; ++i)
            leaves.push_back(aya::create_task(test::forever()));
        auto const left = aya::create_task(aya::gather(leaves[0], leaves[1]));
        auto const right = aya::create_task(aya::gather(leaves[2], leaves[3]));
        auto const all = aya::create_task(aya::gather(left, right));
        co_await test::settle();
        CHECK(all.cancel());
        co_await test::settle();
        CHECK(all.cancelled());
        for (auto const& leaf : leaves) {
            CHECK(leaf.cancelled());
            CHECK(leaf.cancelling() == 1);
        }
    });
}

TEST_CASE("C20: the message reaches a task that waits for a gather of outcomes") {
    everywhere([]() -> aya::task<> {
        std::string message;
        auto waiting = [](std::string* seen) -> aya::task<> {
            try {
                std::vector<aya::task<>> parts;
                parts.push_back(test::forever());
                (void)co_await aya::gather(aya::return_exceptions, std::move(parts));
            } catch (aya::cancelled_error const& e) {
                *seen = e.message();
            }
        };
        auto const h = aya::create_task(waiting, &message);
        co_await test::settle();
        h.cancel("enough");
        co_await h;
        CHECK(message == "enough");
    });
}
