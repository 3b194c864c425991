// SPDX-License-Identifier: Apache-2.0
// Await, cancel, uncancel and completion of one task, at the same moment, from tasks and threads.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <vector>

TEST_CASE("stress: a task ends while others await it, cancel it and ask about it: exactly one outcome for all") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        long returned = 0;
        long cancelled = 0;
        auto round = [&](std::uint64_t stream) -> aya::task<> {
            aya::event go;
            auto body = [&]() -> aya::task<int> {
                co_await go.wait();
                co_await aya::yield();
                co_return 7;
            };
            auto const target = aya::create_task(body);
            std::atomic<int> values{0};
            std::atomic<int> cancels{0};
            std::atomic<int> accepted{0};
            auto awaiter = [&]() -> aya::task<> {
                try {
                    int const v = co_await aya::shield(target);
                    values.fetch_add(v == 7 ? 1 : 1000);
                } catch (aya::cancelled_error const&) {
                    cancels.fetch_add(1);
                }
            };
            auto opener = [&]() -> aya::task<> {
                go.set();
                co_return;
            };
            auto canceller = [&](std::size_t turns) -> aya::task<> {
                for (; turns != 0; --turns)
                    co_await aya::yield();
                if (target.cancel())
                    accepted.fetch_add(1);
            };
            test::random_source random(stream);
            std::vector<aya::task_handle<>> all;
            for (int i = 0; i < 4; ++i)
                all.push_back(aya::create_task(awaiter));
            co_await aya::yield();
            all.push_back(aya::create_task(opener));
            all.push_back(aya::create_task(canceller, random.below(4)));
            if (random.one_in(2))
                all.push_back(aya::create_task(canceller, random.below(4)));
            for (int i = 0; i < 4; ++i)
                all.push_back(aya::create_task(awaiter));
            co_await aya::gather(all);
            CHECK(target.done());
            bool const was_cancelled = target.cancelled();
            CHECK(values.load() == (was_cancelled ? 0 : 8));
            CHECK(cancels.load() == (was_cancelled ? 8 : 0));
            CHECK(was_cancelled == (accepted.load() != 0)); // this body never swallows one
            CHECK(target.cancelling() == static_cast<std::uint32_t>(accepted.load()));
            ++(was_cancelled ? cancelled : returned);
        };
        auto main = [&]() -> aya::task<> {
            std::uint64_t stream = 11'000;
            do
                co_await round(++stream);
            while (clock.running());
        };
        rt.block_on(main);
        MESSAGE("returned " << returned << ", cancelled " << cancelled);
    });
}

TEST_CASE("stress: foreign threads cancel what a task awaits, while it ends") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        std::atomic<long> rounds{0};
        auto chain = [](aya::task_handle<int> inner) -> aya::task<int> { co_return co_await inner; };
        auto body = []() -> aya::task<int> {
            for (int i = 0; i < 3; ++i)
                co_await aya::yield();
            co_return 1;
        };
        aya::event over;
        auto keep_running = [&]() -> aya::task<> { co_await over.wait(); };
        test::thread_crew crew;
        std::atomic<int> wrong{0};
        long ignored = 0;
        crew.add([&] {
            test::random_source random(12'000);
            do {
                auto const a = rt.spawn(body);
                auto const b = rt.spawn(chain, a);
                auto const c = rt.spawn(chain, b);
                for (std::size_t spin = random.below(2000); spin != 0; --spin)
                    std::atomic_signal_fence(std::memory_order_seq_cst);
                bool const accepted = c.cancel();
                if (!test::eventually_outside([&] { return a.done() && b.done() && c.done(); })) {
                    wrong.fetch_add(1);
                    break;
                }
                // Refused: it had ended with the value. Accepted: it ends cancelled, unless the request was passed on to a task
                // that had just ended with its value; that is as if that task had ignored it.
                if (!accepted && (c.cancelled() || c.cancelling() != 0))
                    wrong.fetch_add(1);
                if (accepted && c.cancelling() != 1)
                    wrong.fetch_add(1);
                if (accepted && !c.cancelled())
                    ++ignored;
                if ((!c.cancelled() && c.result() != 1) || a.cancelling() > 1 || b.cancelling() > 1)
                    wrong.fetch_add(1);
                rounds.fetch_add(1);
            } while (clock.running() || rounds.load() < 20); // on a loaded machine, one may take long
            over.set();
        });
        rt.block_on(keep_running);
        crew.join();
        CHECK(wrong.load() == 0);
        CHECK(rounds.load() > 10);
        CHECK(ignored <= rounds.load() / 2);
    });
}

TEST_CASE("stress: cancel and uncancel in pairs from several tasks leave the count at zero") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        auto main = [&]() -> aya::task<> {
            do {
                aya::event leave;
                aya::event started; // one that is cancelled before its first step would never run
                auto stubborn = [&]() -> aya::task<> {
                    started.set();
                    while (!leave.is_set())
                        (void)co_await test::throws<aya::cancelled_error>([](aya::event& e) -> aya::task<> {
                            co_await e.wait();
                        }(leave));
                };
                auto const target = aya::create_task(stubborn);
                co_await started.wait();
                auto pairs = [&]() -> aya::task<> {
                    for (int i = 0; i < 50; ++i) {
                        target.cancel();
                        if (i % 3 == 0)
                            co_await aya::yield();
                        target.uncancel();
                    }
                };
                co_await aya::gather(aya::create_task(pairs), aya::create_task(pairs), aya::create_task(pairs));
                CHECK(target.cancelling() == 0);
                CHECK_FALSE(target.done());
                leave.set();
                co_await aya::shield(target);
            } while (clock.running());
        };
        rt.block_on(main);
    });
}

TEST_CASE("stress: handles are copied, dropped and moved while their task ends") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        auto main = [&]() -> aya::task<> {
            test::census census;
            do {
                auto body = [&]() -> aya::task<test::census::resident> {
                    co_await aya::yield();
                    co_return census.make();
                };
                auto user = [](aya::task_handle<test::census::resident> h) -> aya::task<> {
                    auto copy = h;
                    h = {};
                    co_await aya::yield();
                    (void)co_await copy;
                };
                std::vector<aya::task<>> all;
                {
                    auto const h = aya::create_task(body);
                    for (int i = 0; i < 4; ++i)
                        all.push_back(user(h));
                }
                co_await aya::gather(std::move(all));
            } while (clock.running());
            bool const gone = co_await test::eventually([&] { return census.live() == 0; });
            CHECK(gone);
        };
        rt.block_on(main);
    });
}
