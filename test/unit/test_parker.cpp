// SPDX-License-Identifier: Apache-2.0
#include "platform/futex.hpp"

#include "support/harness.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using aya::time_point;
using aya::detail::parker;

TEST_CASE("parker: an unpark before the park is kept, and only one of them") {
    parker p;
    p.unpark();
    p.unpark();
    (void)p.park(time_point::max()); // returns at once
    auto const start = std::chrono::steady_clock::now();
    (void)p.park(time_point(start + 5ms)); // nothing is left of the second one
    CHECK(std::chrono::steady_clock::now() - start >= 5ms);
}

TEST_CASE("parker: a deadline in the past does not sleep") {
    parker p;
    (void)p.park(time_point::min());
    (void)p.park(time_point(std::chrono::steady_clock::now() - 1s));
}

TEST_CASE("parker: two threads hand a turn back and forth without losing it") {
    parker ping, pong;
    int turns = 0;
    test::thread_crew crew;
    crew.add([&] {
        for (int i = 0; i < 20'000; ++i) {
            (void)ping.park(time_point::max());
            ++turns; // ordered by the parker alone
            pong.unpark();
        }
    });
    crew.add([&] {
        for (int i = 0; i < 20'000; ++i) {
            ++turns;
            ping.unpark();
            (void)pong.park(time_point::max());
        }
    });
    crew.join();
    CHECK(turns == 40'000);
}
