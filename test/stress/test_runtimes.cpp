// SPDX-License-Identifier: Apache-2.0
// Runtimes that come and go, with work under way.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <vector>

namespace {

aya::task<int> fibonacci(int n) {
    if (n < 2)
        co_return n;
    auto const [a, b] = co_await aya::gather(fibonacci(n - 1), fibonacci(n - 2));
    co_return a + b;
}

} // namespace

TEST_CASE("stress: runtimes are made and destroyed with tasks running, sleeping, waiting and blocked in threads") {
    test::stress_clock const clock;
    std::uint64_t round = 0;
    test::census census;
    std::atomic<long> began{0};
    std::atomic<long> ended{0};
    do {
        test::random_source random(7000 + ++round);
        {
            aya::event never;
            aya::queue<int> empty;
            aya::runtime rt(test::kind{random.below(5)}.options());
            auto task = [&](std::size_t what, test::census::resident) -> aya::task<> {
                began.fetch_add(1);
                struct at_end {
                    std::atomic<long>& ended;
                    ~at_end() { ended.fetch_add(1); }
                } const guard{ended};
                switch (what) {
                case 0:
                    co_await aya::sleep(std::chrono::hours(1));
                    break;
                case 1:
                    co_await never.wait();
                    break;
                case 2:
                    (void)co_await empty.get();
                    break;
                case 3: {
                    auto nap = [] { std::this_thread::yield(); };
                    for (;;)
                        co_await aya::to_thread(nap);
                    break;
                }
                case 4:
                    for (int i = 0; i < 20'000; ++i)
                        co_await aya::yield();
                    break;
                default:
                    co_await aya::gather(test::forever(), test::forever());
                }
            };
            for (int i = 0; i < 12; ++i)
                (void)rt.spawn(task, random.below(6), census.make());
            if (random.one_in(2)) {
                int const f = rt.block_on(fibonacci(8));
                CHECK(f == 21);
            }
        }
        REQUIRE(census.live() == 0);
        REQUIRE(began.load() == ended.load());
    } while (clock.running());
    MESSAGE("runtimes: " << round);
}

TEST_CASE("stress: fork and join of a deep tree gives the right number") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        do {
            int const f = rt.block_on(fibonacci(16));
            REQUIRE(f == 987);
        } while (clock.running());
    });
}

TEST_CASE("stress: threads spawn and wait on several runtimes at once") {
    test::stress_clock const clock;
    std::vector<std::unique_ptr<aya::runtime>> all;
    for (std::size_t const workers : {std::size_t{1}, std::size_t{2}, std::size_t{3}})
        all.push_back(std::make_unique<aya::runtime>(test::kind{workers}.options()));
    std::atomic<long> wrong{0};
    test::thread_crew crew;
    for (std::uint64_t t = 0; t < 3; ++t)
        crew.add([&, t] {
            test::random_source random(8000 + t);
            do {
                aya::runtime& rt = *all[random.below(3)];
                auto const a = rt.spawn(fibonacci(5));
                auto const b = rt.spawn(test::forever());
                if (random.one_in(2))
                    std::this_thread::yield();
                b.cancel();
                rt.wait(b);
                rt.wait(a);
                if (a.result() != 5 || !b.cancelled())
                    wrong.fetch_add(1);
            } while (clock.running());
        });
    crew.join();
    CHECK(wrong.load() == 0);
}
