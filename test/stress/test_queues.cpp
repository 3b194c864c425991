// SPDX-License-Identifier: Apache-2.0
// No item of a queue is lost or got twice, however its putters and getters are cancelled.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <vector>

namespace {

struct totals {
    std::atomic<long> put_count{0};
    std::atomic<long> put_sum{0};
    std::atomic<long> got_count{0};
    std::atomic<long> got_sum{0};
};

using item = std::unique_ptr<long>; // one that is dropped on the way is seen by the leak checker too

// Counts what it put right after it was put; a cancelled put counts nothing, and must have stored nothing.
aya::task<> putter(aya::queue<item>& q, totals& t, long first, int count) {
    for (int i = 0; i < count; ++i) {
        long const value = first + i;
        item boxed = std::make_unique<long>(value);
        co_await q.put(std::move(boxed));
        t.put_count.fetch_add(1);
        t.put_sum.fetch_add(value);
        if (i % 7 == 0)
            co_await aya::yield();
    }
}

aya::task<> getter(aya::queue<item>& q, totals& t, int count) {
    for (int i = 0; i < count; ++i) {
        item const got = co_await q.get();
        t.got_count.fetch_add(1);
        t.got_sum.fetch_add(*got);
        if (i % 5 == 0)
            co_await aya::yield();
    }
}

aya::task<> round_of(std::ptrdiff_t capacity, std::uint64_t stream) {
    test::random_source random(stream);
    aya::queue<item> q(capacity);
    totals t;
    std::vector<aya::task_handle<>> putters;
    std::vector<aya::task_handle<>> getters;
    for (int i = 0; i < 8; ++i) {
        putters.push_back(aya::create_task(putter(q, t, i * 1000, 40)));
        getters.push_back(aya::create_task(getter(q, t, 40)));
    }
    // Two tasks cancel at random, in among the others.
    auto canceller = [&](std::uint64_t s) -> aya::task<> {
        test::random_source mine(s);
        for (int i = 0; i < 6; ++i) {
            for (std::size_t turns = mine.below(20); turns != 0; --turns)
                co_await aya::yield();
            (mine.one_in(2) ? putters : getters)[mine.below(8)].cancel();
        }
    };
    auto const first = aya::create_task(canceller, stream * 3 + 1);
    auto const second = aya::create_task(canceller, stream * 3 + 2);
    co_await aya::gather(first, second);
    // Who is left may wait for ever for the ones that are gone.
    bool const settled = co_await test::eventually([&, idle = 0, last = -1L]() mutable {
        long const now = t.put_count.load() + t.got_count.load();
        idle = now == last ? idle + 1 : 0;
        last = now;
        return idle > 50;
    });
    CHECK(settled);
    for (auto const& h : putters)
        h.cancel();
    for (auto const& h : getters)
        h.cancel();
    (void)co_await aya::gather(aya::return_exceptions, putters);
    (void)co_await aya::gather(aya::return_exceptions, getters);
    long left_count = 0;
    long left_sum = 0;
    while (!q.empty()) {
        item const left = q.get_nowait();
        ++left_count;
        left_sum += *left;
    }
    CHECK(t.put_count.load() == t.got_count.load() + left_count);
    CHECK(t.put_sum.load() == t.got_sum.load() + left_sum);
    // The queue works: every place is free, nothing is reserved for anybody.
    if (capacity != 0) {
        for (std::ptrdiff_t i = 0; i < capacity; ++i)
            q.put_nowait(std::make_unique<long>(0));
        CHECK_THROWS_AS(q.put_nowait(nullptr), aya::queue_full);
    }
}

} // namespace

TEST_CASE("stress: what is put is got exactly once or still there, under random cancels, for several capacities") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        auto main = [&]() -> aya::task<> {
            std::uint64_t stream = 100;
            do
                for (std::ptrdiff_t const capacity : {0, 1, 2, 16})
                    co_await round_of(capacity, ++stream);
            while (clock.running());
        };
        rt.block_on(main);
    });
}

TEST_CASE("stress: a put races with the cancellation of the only getter: the item is got or in the queue") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        long got = 0;
        long kept = 0;
        auto main = [&]() -> aya::task<> {
            do {
                aya::queue<int> q;
                bool received = false;
                auto get_one = [&]() -> aya::task<> {
                    (void)co_await q.get();
                    received = true;
                };
                auto const getter_task = aya::create_task(get_one);
                auto put_one = [&]() -> aya::task<> {
                    q.put_nowait(1);
                    co_return;
                };
                auto cancel_it = [&]() -> aya::task<> {
                    getter_task.cancel();
                    co_return;
                };
                co_await aya::yield();
                co_await aya::gather(aya::create_task(put_one), aya::create_task(cancel_it));
                (void)co_await aya::gather(aya::return_exceptions, getter_task);
                // One that resumed with its item and then found itself cancelled at the end has received it.
                CHECK((received ? 1U : 0U) + q.size() == 1);
                ++(received ? got : kept);
            } while (clock.running());
        };
        rt.block_on(main);
        MESSAGE("got " << got << ", kept " << kept);
    });
}

TEST_CASE("stress: shutdown races with putters and getters: everybody ends, and nothing is lost") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::stress_clock const clock;
        auto main = [&]() -> aya::task<> {
            std::uint64_t stream = 500;
            do {
                test::random_source random(++stream);
                aya::queue<item> q(1 + static_cast<std::ptrdiff_t>(random.below(3)));
                totals t;
                std::vector<aya::task<>> all;
                for (int i = 0; i < 4; ++i) {
                    all.push_back(putter(q, t, i * 1000, 1000));
                    all.push_back(getter(q, t, 1000));
                }
                auto stop = [&](std::size_t turns) -> aya::task<> {
                    for (; turns != 0; --turns)
                        co_await aya::yield();
                    q.shutdown();
                };
                auto const stopper = aya::create_task(stop, random.below(40));
                (void)co_await aya::gather(aya::return_exceptions, std::move(all));
                co_await stopper;
                long left = 0;
                while (!q.empty()) {
                    (void)q.get_nowait();
                    ++left;
                }
                CHECK(t.put_count.load() == t.got_count.load() + left);
            } while (clock.running());
        };
        rt.block_on(main);
    });
}
