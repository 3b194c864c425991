// SPDX-License-Identifier: Apache-2.0
// No wake-up is lost between a runtime that falls asleep and a thread that posts at that moment.
#include "support/harness.hpp"
#include "support/rest.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

namespace {

int post_count() { return AYA_SANITIZED ? 3000 : 20'000; }

} // namespace

TEST_CASE("stress: 20,000 posts from a foreign thread to a runtime that sleeps: each starts soon") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::event over;
        auto main = [&]() -> aya::task<> { co_await over.wait(); };
        std::atomic<int> ran{0};
        int lost = 0;
        test::thread_crew crew;
        crew.add([&] {
            test::random_source random(10);
            auto body = [&]() -> aya::task<> {
                ran.fetch_add(1);
                co_return;
            };
            for (int i = 1; i <= post_count(); ++i) {
                (void)rt.spawn(body);
                // Nothing else is sent, so a lost wake-up stays lost; the bound is generous because the machine is shared.
                if (!test::eventually_outside([&] { return ran.load() == i; }, std::chrono::seconds(20))) {
                    ++lost;
                    break;
                }
                // Any time from at once to long after every worker has fallen asleep; above all, while it does.
                test::spin(random.below(std::size_t{100} << random.below(10)));
            }
            over.set();
        });
        rt.block_on(main);
        crew.join();
        CHECK(lost == 0);
    });
}

TEST_CASE("stress: an event set from outside wakes the waiting task, each time") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        std::atomic<aya::event*> waiting{nullptr};
        std::atomic<bool> over{false};
        std::atomic<long> rounds{0};
        auto waiter = [&]() -> aya::task<> {
            while (!over.load()) {
                aya::event e;
                waiting.store(&e);
                co_await e.wait();
                rounds.fetch_add(1);
            }
        };
        bool lost = false;
        test::thread_crew crew;
        crew.add([&] {
            while (!over.load() || waiting.load() != nullptr) {
                aya::event* const e = waiting.exchange(nullptr);
                if (e == nullptr) {
                    std::this_thread::yield();
                    continue;
                }
                long const before = rounds.load();
                if (!clock.running())
                    over.store(true);
                e->set();
                if (!test::eventually_outside([&] { return rounds.load() > before; }, std::chrono::seconds(20))) {
                    lost = true;
                    return;
                }
            }
        });
        rt.block_on(waiter);
        crew.join();
        CHECK_FALSE(lost);
        CHECK(rounds.load() > 0);
    });
}

TEST_CASE("stress: a thread that sees one task run wakes another one while the worker looks for its next sleep") {
    // One worker: where there are others, one of them finds what was posted.
    aya::runtime rt(test::kind{1}.options());
    aya::event events[2];
    std::atomic<long> rounds{0};
    std::atomic<bool> over{false};
    // They take turns, so that each waits again long before its event is set.
    auto waiter = [&](int mine) -> aya::task<> {
        while (!over.load()) {
            co_await events[mine].wait();
            events[mine].clear();
            rounds.fetch_add(1);
            test::spin(500); // so that the other event can be set before the worker looks for its next step, and at every moment after
        }
    };
    aya::task_handle<> const tasks[] = {rt.spawn(waiter, 0), rt.spawn(waiter, 1)};
    bool lost = false;
    test::thread_crew crew;
    crew.add([&] {
        test::random_source random(11);
        auto const enough = std::chrono::steady_clock::now() + std::chrono::seconds(30); // on a machine that takes a millisecond to wake a thread
        for (long i = 0; i < 20 * post_count() && !lost && (i % 100 != 0 || std::chrono::steady_clock::now() < enough); ++i) {
            // Chosen before, and looked for without a pause at first: what matters is the microsecond after the task has run.
            std::size_t const delay = random.below(4000);
            events[i % 2].set();
            int looks = 0;
            while (rounds.load() == i && ++looks < 20'000) {
            }
            if (rounds.load() == i)
                lost = !test::eventually_outside([&] { return rounds.load() > i; }, std::chrono::seconds(20));
            test::spin(delay);
        }
        over.store(true);
        for (auto& e : events)
            e.set();
    });
    for (auto const& h : tasks)
        rt.wait(h);
    crew.join();
    CHECK_FALSE(lost);
}

TEST_CASE("stress: one task that makes many others gets the help of workers that sleep") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        auto burst = []() -> aya::task<> {
            std::atomic<int> ran{0};
            auto body = [&]() -> aya::task<> {
                ran.fetch_add(1);
                co_await aya::yield();
                ran.fetch_add(1);
            };
            std::vector<aya::task_handle<>> all;
            for (int i = 0; i < 50; ++i)
                all.push_back(aya::create_task(body));
            co_await aya::gather(all);
            CHECK(ran.load() == 100);
            co_await aya::sleep(std::chrono::microseconds(200)); // everybody falls asleep
        };
        auto main = [&]() -> aya::task<> {
            do
                co_await burst();
            while (clock.running());
        };
        rt.block_on(main);
    });
}
