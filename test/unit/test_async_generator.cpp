// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

aya::async_generator<int> count_to(int last) {
    for (int i = 1; i <= last; ++i) {
        if (i % 2 == 0)
            co_await aya::sleep(1ms);
        co_yield i;
    }
}

aya::async_generator<int> wait_for_ever(test::census& census) {
    auto const resident = census.make();
    co_yield 1;
    co_await test::forever();
    co_yield 2;
}

} // namespace

TEST_CASE("async_generator: values come one by one, then nothing, ever after") {
    everywhere([]() -> aya::task<> {
        auto numbers = count_to(5);
        std::vector<int> seen;
        while (auto const i = co_await numbers.next())
            seen.push_back(*i);
        CHECK(seen == std::vector<int>{1, 2, 3, 4, 5});
        auto const after = co_await numbers.next();
        CHECK_FALSE(after);
        auto none = count_to(0);
        auto const first = co_await none.next();
        CHECK_FALSE(first);
    });
}

TEST_CASE("async_generator: does not run ahead of its consumer") {
    everywhere([]() -> aya::task<> {
        int steps = 0;
        auto make = [](int& count) -> aya::async_generator<int> {
            for (;;) {
                ++count;
                co_yield count;
            }
        };
        auto steady = make(steps);
        CHECK(steps == 0);
        (void)co_await steady.next();
        CHECK(steps == 1);
        (void)co_await steady.next();
        CHECK(steps == 2);
    });
}

TEST_CASE("async_generator: values that only move, lvalues that are copied, and what remains is destroyed") {
    everywhere([]() -> aya::task<> {
        auto make = []() -> aya::async_generator<std::unique_ptr<int>> {
            auto first = std::make_unique<int>(1);
            co_yield std::move(first);
            co_yield std::make_unique<int>(2);
        };
        auto pointers = make();
        auto const one = co_await pointers.next();
        auto const two = co_await pointers.next();
        CHECK(**one == 1);
        CHECK(**two == 2);
        auto copies = []() -> aya::async_generator<std::vector<int>> {
            std::vector<int> const v{1, 2};
            co_yield v;
            co_yield v;
        };
        auto vectors = copies();
        auto const a = co_await vectors.next();
        auto const b = co_await vectors.next();
        CHECK(a->size() + b->size() == 4);
    });
}

TEST_CASE("async_generator: its exception reaches the consumer and ends it") {
    everywhere([]() -> aya::task<> {
        auto make = []() -> aya::async_generator<int> {
            co_yield 1;
            co_await aya::yield();
            throw std::runtime_error("no more");
        };
        auto failing = make();
        (void)co_await failing.next();
        bool thrown = false;
        try {
            (void)co_await failing.next();
        } catch (std::runtime_error const&) {
            thrown = true;
        }
        CHECK(thrown);
        auto const after = co_await failing.next();
        CHECK_FALSE(after);
    });
}

TEST_CASE("async_generator: the consumer is cancelled where the generator waits, and the generator ends") {
    everywhere([]() -> aya::task<> {
        test::census census;
        auto consume = [](test::census& c) -> aya::task<> {
            auto values = wait_for_ever(c);
            while (auto const v = co_await values.next())
                CHECK(*v == 1);
        };
        auto const consumer = aya::create_task(consume(census));
        co_await test::settle();
        CHECK(census.live() == 1);
        consumer.cancel();
        co_await test::settle();
        CHECK(consumer.cancelled());
        CHECK(census.live() == 0);
        bool const timed_out = co_await test::throws<aya::timeout_error>(aya::timeout(5ms, consume, std::ref(census)));
        CHECK(timed_out);
        CHECK(census.live() == 0);
    });
}

TEST_CASE("async_generator: destroyed before its end, its frame goes at once; one that never ran too") {
    everywhere([]() -> aya::task<> {
        test::census census;
        {
            auto values = wait_for_ever(census);
            auto const v = co_await values.next();
            CHECK(*v == 1);
            CHECK(census.live() == 1);
            auto other = std::move(values);
            CHECK_FALSE(values);
            CHECK(other);
        }
        CHECK(census.live() == 0);
        auto const never = wait_for_ever(census);
        CHECK(census.ever() == 1);
    });
}

TEST_CASE("async_generator: an empty one, and one that is busy, refuse") {
    everywhere([]() -> aya::task<> {
        auto ask = [](aya::async_generator<int>& g) -> aya::task<> { (void)co_await g.next(); };
        aya::async_generator<int> empty;
        bool const refused = co_await test::throws<aya::invalid_state_error>(ask(empty));
        CHECK(refused);
        test::census census;
        auto busy = wait_for_ever(census);
        (void)co_await busy.next();
        auto const waiting = aya::create_task(ask(busy));
        co_await test::settle();
        bool const second = co_await test::throws<aya::invalid_state_error>(ask(busy));
        CHECK(second);
        waiting.cancel();
        co_await test::settle();
    });
}

TEST_CASE("async_generator: nested, consumed by several tasks in turn, and long on a flat stack") {
    everywhere([]() -> aya::task<> {
        auto doubled = [](aya::async_generator<int> from) -> aya::async_generator<int> {
            while (auto const i = co_await from.next())
                co_yield 2 * *i;
        };
        auto numbers = doubled(doubled(count_to(4)));
        auto one = [](aya::async_generator<int>& g) -> aya::task<int> {
            auto const i = co_await g.next();
            co_return i.value_or(-1);
        };
        for (int i = 1; i <= 4; ++i) {
            auto const h = aya::create_task(one(numbers));
            int const got = co_await h;
            CHECK(got == 4 * i);
        }
        auto many = [](int last) -> aya::async_generator<int> {
            for (int i = 0; i < last; ++i)
                co_yield i;
        };
        auto stream = many(100'000);
        long sum = 0;
        while (auto const i = co_await stream.next())
            sum += *i;
        CHECK(sum == 4'999'950'000);
    });
}
