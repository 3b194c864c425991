// SPDX-License-Identifier: Apache-2.0
// What cancel() returns, where the task ends at the same time.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

TEST_CASE("E07: cancel() says what comes of it, also where the task ends while the request is on its way") {
    for (std::size_t const workers : {1U, 2U, 8U}) {
        aya::runtime rt(test::kind{workers}.options());
        std::atomic<int> phase{0};
        auto leaf = [&]() -> aya::task<> {
            while (phase.load() != 2)
                co_await aya::yield();
        };
        auto top = [&](aya::task_handle<> below) -> aya::task<> {
            phase.store(1);
            co_await below;
        };
        int wrong = 0;
        // Where others have the CPUs, each change of threads takes milliseconds.
        auto const enough = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        for (int round = 0; round < 3'000 && (round < 10 || std::chrono::steady_clock::now() < enough); ++round) {
            phase.store(0);
            auto const inner = rt.spawn(leaf);
            auto const outer = rt.spawn(top, inner);
            while (phase.load() != 1)
                std::this_thread::yield();
            phase.store(2);
            bool const said = outer.cancel();
            rt.wait(outer);
            wrong += said != outer.cancelled() || outer.cancelling() != (said ? 1 : 0);
        }
        CHECK(wrong == 0);
    }
}
