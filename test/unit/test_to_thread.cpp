// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <oneapi/tbb/parallel_for.h>

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("to_thread: arguments, results that only move, void, references by std::ref, exceptions") {
    everywhere([]() -> aya::task<> {
        auto add = [](int a, int b) { return a + b; };
        int const sum = co_await aya::to_thread(add, 2, 3);
        CHECK(sum == 5);
        auto own = [](std::unique_ptr<int> p) { return p; };
        std::unique_ptr<int> number = std::make_unique<int>(4);
        std::unique_ptr<int> const back = co_await aya::to_thread(own, std::move(number));
        CHECK(*back == 4);
        int counter = 0;
        auto increment = [](int& c) { ++c; };
        co_await aya::to_thread(increment, std::ref(counter));
        CHECK(counter == 1);
        auto fail = [] { throw std::out_of_range("no"); };
        bool threw = false;
        try {
            co_await aya::to_thread(fail);
        } catch (std::out_of_range const&) {
            threw = true;
        }
        CHECK(threw);
        int const again = co_await aya::to_thread(add, 1, 1); // the pool survives
        CHECK(again == 2);
    });
}

TEST_CASE("to_thread and to_cpu: run on threads that are no workers") {
    everywhere([]() -> aya::task<> {
        auto inside = [] {
            try {
                (void)aya::current_task();
                return true;
            } catch (aya::invalid_state_error const&) {
                return false;
            }
        };
        auto const id = [] { return std::this_thread::get_id(); };
        bool const a = co_await aya::to_thread(inside);
        bool const b = co_await aya::to_cpu(inside);
        CHECK_FALSE(a);
        CHECK_FALSE(b);
        auto const other = co_await aya::to_thread(id);
        CHECK(other != std::this_thread::get_id());
    });
}

TEST_CASE("to_thread: no more threads than allowed, and that many at once") {
    aya::runtime_options options = test::kind{2}.options();
    options.blocking_threads = 3;
    aya::runtime rt(options);
    std::mutex mutex;
    std::set<std::thread::id> threads;
    std::atomic<int> inside{0};
    std::atomic<int> most{0};
    auto call = [&] {
        int const now = inside.fetch_add(1) + 1;
        int seen = most.load();
        while (seen < now && !most.compare_exchange_weak(seen, now)) {
        }
        test::eventually_outside([&] { return most.load() >= 3; }); // three come together
        {
            std::lock_guard const guard(mutex);
            threads.insert(std::this_thread::get_id());
        }
        inside.fetch_sub(1);
    };
    auto one = [&]() -> aya::task<> { co_await aya::to_thread(call); };
    auto many = [&]() -> aya::task<> {
        std::vector<aya::task<>> all;
        for (int i = 0; i < 50; ++i)
            all.push_back(one());
        co_await aya::gather(std::move(all));
    };
    rt.block_on(many);
    CHECK(most.load() == 3);
    CHECK(threads.size() == 3);
}

TEST_CASE("to_cpu: results, exceptions and parallel loops inside") {
    everywhere([]() -> aya::task<> {
        auto compute = [] {
            std::atomic<long> sum{0};
            tbb::parallel_for(0, 1000, [&](int i) { sum.fetch_add(i); });
            return sum.load();
        };
        long const sum = co_await aya::to_cpu(compute);
        CHECK(sum == 499'500);
        auto fail = []() -> int { throw std::out_of_range("no"); };
        bool threw = false;
        try {
            (void)co_await aya::to_cpu(fail);
        } catch (std::out_of_range const&) {
            threw = true;
        }
        CHECK(threw);
    });
}

TEST_CASE("to_thread: virtual time stands still while a call runs") {
    everywhere([]() -> aya::task<> {
        std::atomic<bool> go{false};
        auto call = [&] { test::eventually_outside([&] { return go.load(); }); };
        auto caller = [&]() -> aya::task<> { co_await aya::to_thread(call); };
        auto const h = aya::create_task(caller);
        auto sleeper = []() -> aya::task<> { co_await aya::sleep(1h); };
        auto const s = aya::create_task(sleeper);
        // Both start; then only yields keep this task alive, so time could not move anyway; the pool alone must hold it afterwards.
        co_await test::eventually([&] { return true; });
        auto opener = [&] { go.store(true); };
        co_await aya::to_thread(opener);
        CHECK(aya::now() == aya::time_point(0s));
        co_await h;
        CHECK(aya::now() == aya::time_point(0s));
        co_await s;
        CHECK(aya::now() == aya::time_point(1h));
    });
}

TEST_CASE("to_thread: the call, its arguments and its dropped result are destroyed") {
    everywhere([]() -> aya::task<> {
        test::census census;
        auto call = [r = census.make()](test::census::resident in) { return in; };
        {
            auto const result = co_await aya::to_thread(call, census.make());
            // The thread may take a moment to let go of the call: the result, and `call` here, are left.
            bool const gone = co_await test::eventually([&] { return census.live() == 2; });
            CHECK(gone);
        }
        std::atomic<bool> running{false};
        std::atomic<bool> go{false};
        auto slow = [&, r = census.make()] {
            running.store(true);
            test::eventually_outside([&] { return go.load(); });
            return r;
        };
        auto caller = [&]() -> aya::task<> { (void)co_await aya::to_thread(slow); };
        auto const h = aya::create_task(caller);
        bool const started = co_await test::eventually([&] { return running.load(); });
        CHECK(started);
        h.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
        go.store(true);
        bool const all_gone = co_await test::eventually([&] { return census.live() == 2; });
        CHECK(all_gone);
    });
}

TEST_CASE("to_thread: what is never awaited is never run, and nothing of it is left") {
    everywhere([]() -> aya::task<> {
        test::census census;
        bool ran = false;
        {
            auto unused = aya::to_thread([&ran, held = census.make()] { ran = true; });
            (void)unused;
        }
        CHECK(census.live() == 0);
        CHECK_FALSE(ran);
        co_return;
    });
}

TEST_CASE("to_thread: awaiting the same call twice is refused") {
    everywhere([]() -> aya::task<> {
        int runs = 0;
        auto call = aya::to_thread([&runs] { ++runs; });
        co_await call;
        bool refused = false;
        try {
            co_await call;
        } catch (aya::invalid_state_error const&) {
            refused = true;
        }
        CHECK(refused);
        CHECK(runs == 1);
    });
}
