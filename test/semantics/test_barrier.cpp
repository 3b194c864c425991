// SPDX-License-Identifier: Apache-2.0
// The contract's section 13: barriers.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <set>
#include <stdexcept>
#include <vector>

using test::everywhere;
using test::in_order;

namespace {

aya::task<std::size_t> pass(aya::barrier& b) { co_return co_await b.wait(); }

using passes = std::vector<aya::task_handle<std::size_t>>;

aya::task<passes> start(aya::barrier& b, int count) {
    passes all;
    for (int i = 0; i < count; ++i) {
        all.push_back(aya::create_task(pass(b)));
        co_await test::settle();
    }
    co_return all;
}

std::size_t broken(passes const& all) {
    std::size_t count = 0;
    for (auto const& h : all) {
        if (!h.done() || h.cancelled())
            continue;
        try {
            (void)h.result();
        } catch (aya::broken_barrier_error const&) {
            ++count;
        }
    }
    return count;
}

} // namespace

TEST_CASE("BA1: a barrier has at least one party") {
    CHECK_THROWS_AS(aya::barrier(0), std::invalid_argument);
    CHECK_THROWS_AS(aya::barrier(-1), std::invalid_argument);
    CHECK(aya::barrier(1).parties() == 1);
}

TEST_CASE("BA2: all wait until all have come; each gets its place in the order of arrival") {
    everywhere([]() -> aya::task<> {
        aya::barrier b(4);
        passes const first = co_await start(b, 3);
        CHECK(b.n_waiting() == 3);
        for (auto const& h : first)
            CHECK_FALSE(h.done());
        std::size_t const last = co_await b.wait();
        CHECK(last == 3);
        for (std::size_t i = 0; i < 3; ++i) {
            std::size_t const index = co_await first[i];
            CHECK(index == i);
        }
        CHECK(b.n_waiting() == 0);
        CHECK_FALSE(b.broken());
        aya::barrier alone(1);
        std::size_t const index = co_await alone.wait();
        CHECK(index == 0);
    });
}

TEST_CASE("BA3: while a round leaves, newcomers wait for the next, and nobody counts as waiting") {
    in_order([]() -> aya::task<> {
        aya::barrier b(3);
        passes const round = co_await start(b, 2);
        passes newcomers;
        newcomers.push_back(aya::create_task(pass(b))); // completes the round
        newcomers.push_back(aya::create_task(pass(b))); // runs before the two have left
        newcomers.push_back(aya::create_task(pass(b)));
        bool none_counted = false;
        auto look = [&]() -> aya::task<> {
            none_counted = b.n_waiting() == 0;
            co_return;
        };
        auto const looker = aya::create_task(look);
        co_await looker;
        CHECK(none_counted);
        co_await test::settle();
        CHECK(round[0].done());
        CHECK(round[1].done());
        CHECK(newcomers[0].done());
        CHECK_FALSE(newcomers[1].done());
        CHECK(b.n_waiting() == 2);
        std::size_t const last = co_await b.wait();
        CHECK(last == 2);
        co_await test::settle();
        CHECK(newcomers[1].result() + newcomers[2].result() == 1);
    });
}

TEST_CASE("BA4: cancelling a waiter while the round fills removes it; the barrier is not broken") {
    everywhere([]() -> aya::task<> {
        aya::barrier b(3);
        passes all = co_await start(b, 2);
        all[0].cancel();
        co_await test::settle();
        CHECK(all[0].cancelled());
        CHECK(b.n_waiting() == 1);
        CHECK_FALSE(b.broken());
        passes const more = co_await start(b, 2);
        std::set<std::size_t> indices;
        indices.insert(co_await all[1]);
        indices.insert(co_await more[0]);
        indices.insert(co_await more[1]);
        CHECK(indices == std::set<std::size_t>{0, 1, 2});
    });
}

TEST_CASE("BA5: cancelling one while the round leaves: only that one is cancelled") {
    in_order([]() -> aya::task<> {
        aya::barrier b(3);
        passes const round = co_await start(b, 2);
        std::size_t const last = co_await b.wait(); // does not suspend
        CHECK(last == 2);
        round[0].cancel();
        co_await test::settle();
        CHECK(round[0].cancelled());
        CHECK(round[1].result() == 1);
        CHECK_FALSE(b.broken());
        passes const next = co_await start(b, 3);
        for (auto const& h : next)
            CHECK(h.done());
    });
}

TEST_CASE("BA6: reset while the round fills throws in the waiters; the barrier is usable afterwards") {
    everywhere([]() -> aya::task<> {
        aya::barrier b(3);
        b.reset();
        CHECK_FALSE(b.broken());
        passes const round = co_await start(b, 2);
        b.reset();
        co_await test::settle();
        CHECK(broken(round) == 2);
        CHECK_FALSE(b.broken());
        CHECK(b.n_waiting() == 0);
        passes const next = co_await start(b, 3);
        for (auto const& h : next)
            CHECK(h.done());
        CHECK(broken(next) == 0);
    });
}

TEST_CASE("BA7: reset while a round leaves: those not yet out throw, newcomers stay for the next round") {
    in_order([]() -> aya::task<> {
        aya::barrier b(3);
        passes const round = co_await start(b, 2);
        auto const last = aya::create_task(pass(b));
        auto const newcomer = aya::create_task(pass(b));
        auto reset = [&]() -> aya::task<> {
            b.reset();
            co_return;
        };
        auto const resetter = aya::create_task(reset);
        co_await resetter;
        co_await test::settle();
        CHECK(last.done());
        CHECK(last.result() == 2);
        CHECK(broken(round) == 2);
        CHECK_FALSE(newcomer.done());
        CHECK(b.n_waiting() == 1);
        passes const more = co_await start(b, 2);
        std::size_t const index = co_await newcomer;
        CHECK(index == 0);
        CHECK(broken(more) == 0);
    });
}

TEST_CASE("BA8, BA9: abort throws in all who wait now or later, until reset") {
    everywhere([]() -> aya::task<> {
        aya::barrier b(3);
        passes const round = co_await start(b, 2);
        b.abort();
        CHECK(b.broken());
        co_await test::settle();
        CHECK(broken(round) == 2);
        CHECK(b.n_waiting() == 0);
        bool const refused = co_await test::throws<aya::broken_barrier_error>(pass(b));
        CHECK(refused);
        b.reset();
        CHECK_FALSE(b.broken());
        passes const next = co_await start(b, 3);
        CHECK(broken(next) == 0);
        for (auto const& h : next)
            CHECK(h.done());
    });
}
