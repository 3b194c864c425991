// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <deque>
#include <stdexcept>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("condition_variable: wrong use is refused") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        aya::mutex other;
        aya::condition_variable changed(m);
        aya::mutex::guard nothing;
        CHECK_THROWS_AS((void)changed.wait(nothing), aya::invalid_state_error);
        auto const wrong = co_await other.lock();
        CHECK_THROWS_AS((void)changed.wait(wrong), aya::invalid_state_error);
        CHECK_THROWS_AS(changed.notify(), aya::invalid_state_error);
        CHECK_THROWS_AS(changed.notify_all(), aya::invalid_state_error);
        auto const guard = co_await m.lock();
        CHECK_THROWS_AS(changed.notify(-1), std::invalid_argument);
        changed.notify(0);
        changed.notify(3);
        changed.notify_all();
        CHECK(guard.owns_lock());
    });
}

TEST_CASE("condition_variable: two conditions of one mutex carry a thousand items through a small buffer") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        aya::condition_variable filled(m);
        aya::condition_variable emptied(m);
        std::deque<int> buffer; // not atomic: the mutex orders it
        std::vector<int> seen;
        auto produce = [&](int from) -> aya::task<> {
            for (int i = from; i < from + 250; ++i) {
                auto const guard = co_await m.lock();
                co_await emptied.wait(guard, [&] { return buffer.size() < 2; });
                buffer.push_back(i);
                filled.notify();
            }
        };
        auto consume = [&]() -> aya::task<> {
            for (int i = 0; i < 250; ++i) {
                auto const guard = co_await m.lock();
                co_await filled.wait(guard, [&] { return !buffer.empty(); });
                seen.push_back(buffer.front());
                buffer.pop_front();
                emptied.notify();
            }
        };
        co_await aya::gather(produce(0), consume(), produce(250), consume(), produce(500), consume(), produce(750),
                             consume());
        REQUIRE(seen.size() == 1000);
        long sum = 0;
        for (int const i : seen)
            sum += i;
        CHECK(sum == 499'500);
        CHECK_FALSE(m.locked());
    });
}

TEST_CASE("condition_variable: cancellations at random never break the exclusion or lose a wake-up") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        aya::condition_variable changed(m);
        long tokens = 0;
        long taken = 0;
        bool inside = false;
        std::vector<char> took(200);
        auto take = [&](std::size_t i) -> aya::task<> {
            auto const guard = co_await m.lock();
            while (tokens == 0)
                co_await changed.wait(guard);
            CHECK_FALSE(inside);
            inside = true;
            --tokens;
            ++taken;
            took[i] = 1;
            inside = false;
        };
        std::vector<aya::task_handle<>> takers;
        test::random_source random(7);
        for (std::size_t i = 0; i < 200; ++i)
            takers.push_back(aya::create_task(take(i)));
        for (int i = 0; i < 100; ++i) {
            {
                auto const guard = co_await m.lock();
                ++tokens;
                changed.notify();
            }
            auto const& victim = takers[random.below(takers.size())];
            victim.cancel();
            if (random.one_in(3))
                co_await aya::yield();
        }
        co_await test::settle();
        // Whoever is left waits rightly: there is no token.
        long done = 0;
        for (std::size_t i = 0; i < takers.size(); ++i) {
            done += takers[i].done() && took[i]; // cancelled it may be all the same, between its last step and its end
            CHECK((!takers[i].done() || takers[i].cancelled() || took[i]));
        }
        CHECK(done == taken);
        bool const all_cancelled = [&] {
            for (auto const& taker : takers)
                if (!taker.done())
                    return false;
            return true;
        }();
        CHECK((tokens == 0 || all_cancelled));
        for (auto const& taker : takers)
            taker.cancel();
        co_await aya::gather(aya::return_exceptions, takers);
        CHECK_FALSE(m.locked());
    });
}
