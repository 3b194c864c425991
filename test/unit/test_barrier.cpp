// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <vector>

using test::everywhere;

TEST_CASE("barrier: nobody is a round ahead of another, round after round") {
    everywhere([]() -> aya::task<> {
        constexpr std::size_t parties = 4;
        aya::barrier b(parties);
        std::atomic<long> arrived{0};
        std::atomic<bool> ahead{false};
        std::atomic<std::size_t> indices{0};
        auto party = [&]() -> aya::task<> {
            for (long round = 1; round <= 100; ++round) {
                arrived.fetch_add(1);
                indices.fetch_add(co_await b.wait());
                if (arrived.load() < round * static_cast<long>(parties))
                    ahead.store(true);
            }
        };
        co_await aya::gather(party(), party(), party(), party());
        CHECK_FALSE(ahead.load());
        CHECK(indices.load() == 100 * (0 + 1 + 2 + 3));
        CHECK(b.n_waiting() == 0);
    });
}

TEST_CASE("barrier: more tasks than parties pass in rounds") {
    everywhere([]() -> aya::task<> {
        aya::barrier b(3);
        std::atomic<int> passed{0};
        auto party = [&]() -> aya::task<> {
            (void)co_await b.wait();
            passed.fetch_add(1);
        };
        std::vector<aya::task<>> parties;
        for (int i = 0; i < 30; ++i)
            parties.push_back(party());
        co_await aya::gather(std::move(parties));
        CHECK(passed.load() == 30);
    });
}

TEST_CASE("barrier: cancellations at random leave it whole") {
    everywhere([]() -> aya::task<> {
        aya::barrier b(3);
        test::random_source random(5);
        auto party = [](aya::barrier& at) -> aya::task<> { (void)co_await at.wait(); };
        std::vector<aya::task_handle<>> tasks;
        for (int i = 0; i < 300; ++i) {
            tasks.push_back(aya::create_task(party(b)));
            if (random.one_in(3))
                tasks[random.below(tasks.size())].cancel();
            if (random.one_in(4))
                co_await aya::yield();
        }
        co_await test::settle();
        std::size_t waiting = 0;
        for (auto const& t : tasks)
            waiting += !t.done();
        CHECK(waiting < 3);
        CHECK(b.n_waiting() == waiting);
        while (b.n_waiting() != 0) {
            tasks.push_back(aya::create_task(party(b)));
            co_await test::settle();
        }
        for (auto const& t : tasks)
            CHECK(t.done());
    });
}
