// SPDX-License-Identifier: Apache-2.0
// Random trees of gathers, groups, scopes and shields that are cancelled from all sides: nothing is left alive, nothing hangs.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

namespace {

using namespace std::chrono_literals;

/// What the nodes of one tree share.
struct storm {
    test::census census;
    std::mutex mutex;
    std::vector<aya::any_task_handle> nodes; // to be cancelled at random
    aya::mutex lock;
    aya::semaphore permits{2};
    aya::queue<int> queue{2};
    aya::event never;

    void add_me() {
        std::lock_guard const guard(mutex);
        nodes.push_back(aya::current_task());
    }
};

// The resident is counted from the task's creation on: one that has not started yet counts too.
aya::task<> leaf(storm& s, std::uint64_t stream, test::census::resident) {
    s.add_me();
    test::random_source random(stream);
    switch (random.below(9)) {
    case 0:
        co_await aya::sleep(std::chrono::microseconds(random.below(300)));
        break;
    case 1: {
        auto const guard = co_await s.lock.lock();
        co_await aya::yield();
        break;
    }
    case 2: {
        auto const permit = co_await s.permits.acquire();
        co_await aya::yield();
        break;
    }
    case 3:
        co_await s.queue.put(1);
        break;
    case 4:
        (void)co_await s.queue.get();
        break;
    case 5:
        co_await s.never.wait();
        break;
    case 6: {
        auto nap = [] { std::this_thread::yield(); };
        co_await aya::to_thread(nap);
        break;
    }
    case 7:
        if (random.one_in(4))
            throw std::runtime_error("a leaf fails");
        break;
    default:
        // Swallows one cancellation.
        (void)co_await test::throws<aya::cancelled_error>(test::forever());
    }
}

aya::task<> node(storm& s, int depth, std::uint64_t stream, test::census::resident) {
    s.add_me();
    test::random_source random(stream);
    auto const child = [&](std::uint64_t i) {
        std::uint64_t const own = stream * 5 + i;
        return depth == 0 ? leaf(s, own, s.census.make()) : node(s, depth - 1, own, s.census.make());
    };
    switch (random.below(6)) {
    case 0:
        co_await aya::gather(child(1), child(2), child(3));
        break;
    case 1:
        (void)co_await aya::gather(aya::return_exceptions, child(1), child(2), child(3));
        break;
    case 2: {
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(child(1));
            (void)group.create_task(child(2));
            co_await child(3);
        };
        co_await aya::with_task_group(body);
        break;
    }
    case 3: {
        auto body = [&]() -> aya::task<> { co_await aya::gather(child(1), child(2)); };
        co_await aya::timeout(std::chrono::microseconds(random.below(400)), body);
        break;
    }
    case 4: {
        auto const inner = aya::create_task(child(1));
        try {
            co_await aya::shield(inner);
        } catch (...) {
            inner.cancel(); // or it would outlive the tree's shared parts
            throw;
        }
        break;
    }
    default:
        co_await child(1);
    }
}

aya::task<> one_storm(std::uint64_t stream) {
    storm s;
    auto const root = aya::create_task(node(s, 3, stream, s.census.make()));
    auto canceller = [&](std::uint64_t own) -> aya::task<> {
        test::random_source random(own);
        for (int i = 0; i < 30; ++i) {
            aya::any_task_handle victim;
            {
                std::lock_guard const guard(s.mutex);
                if (!s.nodes.empty())
                    victim = s.nodes[random.below(s.nodes.size())];
            }
            if (victim)
                victim.cancel();
            if (random.one_in(2))
                co_await aya::yield();
        }
    };
    co_await aya::gather(aya::create_task(canceller, stream + 11), aya::create_task(canceller, stream + 12));
    // Whoever is left is cancelled again and again, since some swallow it, until nobody lives.
    auto const limit = std::chrono::steady_clock::now() + 120s;
    for (int turns = 0; s.census.live() != 0; ++turns) {
        REQUIRE(std::chrono::steady_clock::now() < limit);
        std::vector<aya::any_task_handle> all;
        {
            std::lock_guard const guard(s.mutex);
            all = s.nodes;
        }
        root.cancel();
        if (turns % 4 == 0)
            for (auto const& n : all)
                n.cancel();
        co_await aya::yield();
    }
    (void)co_await aya::gather(aya::return_exceptions, root);
    CHECK_FALSE(s.lock.locked());
    int permits = 0;
    while (s.permits.try_acquire())
        ++permits;
    CHECK(permits == 2);
}

} // namespace

TEST_CASE("stress: random trees of gathers, groups, scopes and shields under a storm of cancels leave nothing behind") {
    test::report_log log; // detached failures may be reported; they are expected
    aya::runtime_options options;
    options.exception_handler = log.handler();
    test::on_every_runtime(
        [](aya::runtime& rt) {
            test::stress_clock const clock;
            std::uint64_t storms = 0;
            auto main = [&]() -> aya::task<> {
                do
                    co_await one_storm(9000 + 100 * ++storms);
                while (clock.running());
            };
            rt.block_on(main);
            MESSAGE("storms: " << storms);
        },
        options);
}

TEST_CASE("stress: calls in threads with random cancels: each runs at most once, and everything is destroyed") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        auto main = [&]() -> aya::task<> {
            std::uint64_t stream = 10'000;
            do {
                test::random_source random(++stream);
                test::census census;
                std::vector<std::atomic<int>> runs(60);
                std::vector<aya::task_handle<>> all;
                auto caller = [&](std::size_t i) -> aya::task<> {
                    auto call = [&runs, i, r = census.make()] { runs[i].fetch_add(1); };
                    co_await aya::to_thread(std::move(call));
                };
                for (std::size_t i = 0; i < runs.size(); ++i)
                    all.push_back(aya::create_task(caller, i));
                for (int i = 0; i < 40; ++i) {
                    all[random.below(all.size())].cancel();
                    if (random.one_in(3))
                        co_await aya::yield();
                }
                (void)co_await aya::gather(aya::return_exceptions, all);
                bool const gone = co_await test::eventually([&] { return census.live() == 0; });
                CHECK(gone);
                int wrong = 0;
                for (std::size_t i = 0; i < runs.size(); ++i)
                    wrong += runs[i].load() > 1 || (!all[i].cancelled() && runs[i].load() != 1) ? 1 : 0;
                CHECK(wrong == 0);
            } while (clock.running());
        };
        rt.block_on(main);
    });
}
