// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/ring_buffer.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <memory>

using aya::detail::ring_buffer;

TEST_CASE("ring_buffer: any mixture of pushes and pops agrees with std::deque") {
    test::random_source random(4);
    ring_buffer<std::unique_ptr<int>> ring;
    std::deque<int> expected;
    for (int step = 0; step < 20'000; ++step) {
        switch (random.below(random.one_in(10) ? 4 : 3)) {
        case 0:
            ring.push_back(std::make_unique<int>(step));
            expected.push_back(step);
            break;
        case 1:
            ring.push_front(std::make_unique<int>(step));
            expected.push_front(step);
            break;
        default:
            if (expected.empty())
                break;
            REQUIRE(*ring.front() == expected.front());
            ring.pop_front();
            expected.pop_front();
        }
        REQUIRE(ring.size() == expected.size());
        REQUIRE(ring.empty() == expected.empty());
    }
}

TEST_CASE("ring_buffer: destroys exactly what it holds, after growing, popping and swapping") {
    test::census census;
    {
        ring_buffer<test::census::resident> a;
        ring_buffer<test::census::resident> b;
        for (int i = 0; i < 20; ++i)
            a.push_back(census.make());
        CHECK(census.live() == 20);
        a.pop_front();
        CHECK(census.live() == 19);
        b.push_front(census.make());
        a.swap(b);
        CHECK(a.size() == 1);
        CHECK(b.size() == 19);
        CHECK(census.live() == 20);
    }
    CHECK(census.live() == 0);
}
