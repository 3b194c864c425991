// SPDX-License-Identifier: Apache-2.0
#include "scheduler/step_pace.hpp"

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <cstdint>

using aya::detail::step_pace;
using namespace std::chrono_literals;

namespace {

/// A worker whose time passes as told.
struct told {
    void pass(std::uint64_t n, aya::duration time) {
        now += time;
        steps += n;
        pace.note(now, steps);
    }

    step_pace pace;
    aya::time_point now{1h};
    std::uint64_t steps = 0;
};

} // namespace

TEST_CASE("step_pace: the first note says since when, and asleep no steps are taken") {
    told w;
    w.pass(1000, 1h);
    CHECK(w.pace.mean() == step_pace::assumed);
    w.pass(0, 1h); // a sleep
    CHECK(w.pace.mean() == step_pace::assumed);
    w.pass(1, step_pace::assumed);
    CHECK(w.pace.mean() == step_pace::assumed);
}

TEST_CASE("step_pace: the mean of many short steps is short, and a long one among four is not lost in it") {
    told w;
    w.pass(0, 0us);
    for (int i = 0; i < 200; ++i)
        w.pass(5, 20us);
    CHECK(w.pace.mean() < 5us);
    for (int i = 0; i < 20; ++i) {
        w.pass(3, 12us);
        w.pass(1, 1ms);
    }
    CHECK(w.pace.mean() > 200us);
    w.pass(1, 10h); // a stopped process
    CHECK(w.pace.mean() < 1ms);
}
