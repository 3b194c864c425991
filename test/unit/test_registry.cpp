// SPDX-License-Identifier: Apache-2.0
// The registry is seen through what a runtime does at its end: it cancels whoever is registered.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

TEST_CASE("registry: no task that still runs is missed when the runtime ends, wherever it was created and moved to") {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{8}}) {
        CAPTURE(workers);
        test::census census;
        std::atomic<int> cancelled{0};
        std::atomic<int> started{0};
        {
            aya::runtime rt(test::kind{workers}.options());
            auto sleeper = [&]() -> aya::task<> {
                auto const here = census.make();
                started.fetch_add(1);
                try {
                    for (;;) {
                        co_await aya::yield();
                        co_await aya::sleep(std::chrono::microseconds(50));
                    }
                } catch (aya::cancelled_error const&) {
                    cancelled.fetch_add(1);
                    throw;
                }
            };
            auto spawner = [&]() -> aya::task<> {
                for (int i = 0; i < 50; ++i) {
                    (void)aya::create_task(sleeper);
                    co_await aya::yield();
                }
            };
            test::thread_crew crew;
            if (workers != 0)
                crew.add([&] {
                    for (int i = 0; i < 50; ++i)
                        (void)rt.spawn(sleeper);
                });
            rt.block_on(spawner);
            crew.join();
        }
        CHECK(census.live() == 0);
        CHECK(cancelled.load() == started.load()); // one that never started ends without having run
        CHECK(started.load() >= 40);
    }
}
