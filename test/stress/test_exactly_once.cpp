// SPDX-License-Identifier: Apache-2.0
// Every task runs exactly once, wherever it was spawned and whoever stole it.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace {

using slots = std::vector<std::atomic<std::uint8_t>>;

std::size_t wrong(slots const& all) {
    std::size_t n = 0;
    for (auto const& s : all)
        n += s.load() == 1 ? 0 : 1;
    return n;
}

aya::task<> flip(std::atomic<std::uint8_t>& slot, bool pause) {
    if (pause)
        co_await aya::yield();
    slot.fetch_add(1);
}

/// Spawns the tasks of a range: some itself, some by a gather, some by a child.
aya::task<> spawn_range(slots& all, std::size_t from, std::size_t to, std::uint64_t stream) {
    test::random_source random(stream);
    std::vector<aya::task_handle<>> handles;
    while (from != to) {
        std::size_t const count = std::min(to - from, 1 + random.below(64));
        switch (random.below(3)) {
        case 0:
            for (std::size_t i = 0; i < count; ++i)
                handles.push_back(aya::create_task(flip(all[from + i], i % 3 == 0)));
            break;
        case 1: {
            std::vector<aya::task<>> some;
            for (std::size_t i = 0; i < count; ++i)
                some.push_back(flip(all[from + i], i % 3 == 0));
            co_await aya::gather(std::move(some));
            break;
        }
        default:
            if (count > 8)
                handles.push_back(aya::create_task(spawn_range(all, from, from + count, stream * 31 + from)));
            else
                for (std::size_t i = 0; i < count; ++i)
                    co_await flip(all[from + i], false);
        }
        from += count;
    }
    if (!handles.empty())
        co_await aya::gather(handles);
}

} // namespace

TEST_CASE("stress: every task flips its own slot exactly once, spawned by tasks and by foreign threads") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        std::uint64_t round = 0;
        do {
            ++round;
            std::size_t const each = 4000;
            slots all(4 * each);
            // Two foreign threads spawn, while two tasks do.
            auto main = [&]() -> aya::task<> {
                co_await aya::gather(spawn_range(all, 0, each, round), spawn_range(all, each, 2 * each, round + 1000));
            };
            std::vector<aya::task_handle<>> foreign[2];
            test::thread_crew crew;
            for (std::size_t t = 0; t < 2; ++t)
                crew.add([&, t] {
                    for (std::size_t i = (2 + t) * each; i < (3 + t) * each; ++i)
                        foreign[t].push_back(rt.spawn(flip(all[i], i % 2 == 0)));
                });
            rt.block_on(main);
            crew.join();
            auto rest = [&]() -> aya::task<> {
                co_await aya::gather(foreign[0]);
                co_await aya::gather(foreign[1]);
            };
            rt.block_on(rest);
            REQUIRE(wrong(all) == 0);
        } while (clock.running());
        MESSAGE("rounds of 16,000 tasks: " << round);
    });
}
