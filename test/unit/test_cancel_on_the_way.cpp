// SPDX-License-Identifier: Apache-2.0
// A request to cancel that stops half-way down a chain of awaits, at the memory that it takes there, while what it goes to ends.
#include <aya/aya.hpp>

#include "support/harness.hpp"
#include "support/shortage.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>

TEST_CASE("E07: cancelled just before what it awaits ends, which happens while the request is on its way") {
    aya::runtime rt(test::kind{1}.options());
    std::atomic<bool> go{false}, waiting{false};
    std::atomic<int> turns{0};
    aya::event never;
    auto leaf = [&]() -> aya::task<> {
        while (!go.load()) {
            if (waiting.load())
                turns.fetch_add(1);
            co_await aya::yield();
        }
    };
    auto top = [&](aya::task_handle<> below) -> aya::task<> {
        waiting.store(true);
        co_await below;
        co_await never.wait(); // where the request has to be found
    };
    auto const inner = rt.spawn(leaf);
    auto const outer = rt.spawn(top, inner);
    CHECK(test::eventually_outside([&] { return turns.load() > 2; }));
    bool ended = false;
    // The request takes memory to go on to `inner`.
    test::next_allocation::calls([&] {
        go.store(true);
        ended = test::eventually_outside([&] { return inner.done(); });
    });
    CHECK(outer.cancel());
    CHECK_FALSE(test::next_allocation::is_to_come());
    CHECK(ended);
    CHECK(test::eventually_outside([&] { return outer.done(); }, std::chrono::seconds(20)));
    never.set();
    rt.wait(outer);
    CHECK(outer.cancelled());
    CHECK_FALSE(inner.cancelled());
}
