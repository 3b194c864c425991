// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("call_soon: callable and arguments are kept until the call, and go with it") {
    everywhere([]() -> aya::task<> {
        test::census census;
        int sum = 0;
        auto const h = aya::call_soon([&sum, alive = census.make()](std::unique_ptr<int> a, int b) { sum += *a + b; },
                                      std::make_unique<int>(3), 4);
        CHECK(census.live() <= 1); // another worker may have called it
        co_await test::settle();
        CHECK(sum == 7);
        CHECK(census.live() == 0); // though the handle lives
        CHECK_FALSE(h.cancel());
        CHECK_FALSE(h.cancelled());
        CHECK_FALSE(aya::callback_handle().cancel());
    });
}

TEST_CASE("call_at: at the runtime's end a call is made or cancelled, and its handle may be cancelled after that") {
    for (std::size_t const workers : test::every_kind)
        for (int round = 0; round < 20; ++round) {
            test::census census;
            std::atomic<int> called{0};
            std::vector<aya::timer_handle> all;
            {
                aya::runtime rt(test::kind{workers}.options());
                rt.block_on([&]() -> aya::task<> {
                    auto const begin = aya::now() + 100us;
                    for (int i = 0; i < 60; ++i) // some are due while the runtime ends
                        all.push_back(aya::call_at(begin + i * 5us, [&called, alive = census.make()] { ++called; }));
                    co_return;
                });
            }
            auto const cancelled = std::count_if(all.begin(), all.end(), [](auto const& h) { return h.cancelled(); });
            CHECK(called.load() + cancelled == 60);
            CHECK(census.live() == 0);
            for (auto const& h : all)
                CHECK_FALSE(h.cancel());
        }
}

TEST_CASE("call_later: a cancel() that is under way at the runtime's end may go on after it") {
    struct slow_end {
        slow_end(std::atomic<bool>* b, std::atomic<bool>* g) : begun(b), go(g) {}
        slow_end(slow_end&& other) noexcept : begun(std::exchange(other.begun, nullptr)), go(other.go) {}
        ~slow_end() {
            if (begun == nullptr)
                return;
            begun->store(true);
            while (!go->load())
                std::this_thread::yield();
        }
        void operator()() {}
        std::atomic<bool>* begun;
        std::atomic<bool>* go;
    };
    for (std::size_t const workers : test::every_kind) {
        std::atomic<bool> begun{false};
        std::atomic<bool> go{false};
        aya::timer_handle h;
        test::thread_crew crew;
        {
            aya::runtime rt(test::kind{workers}.options());
            rt.block_on([&]() -> aya::task<> {
                h = aya::call_later(1h, slow_end(&begun, &go));
                co_return;
            });
            crew.add([&h] { CHECK(h.cancel()); });
            while (!begun.load())
                std::this_thread::yield();
        }
        go.store(true);
        crew.join();
        CHECK(h.cancelled());
    }
}

TEST_CASE("call_at: calls of one worker for the same time are made in the order of the calls, whichever workers see that they are due") {
    everywhere([]() -> aya::task<> {
        for (int round = 0; round < 50; ++round) {
            std::vector<int> order; // callbacks of a runtime are called one at a time
            auto const due = aya::now() + 1ms;
            for (int i = 0; i < 40; ++i)
                (void)aya::call_at(due + std::chrono::nanoseconds(i / 8), [&order, i] { order.push_back(i); });
            co_await aya::sleep(2ms);
            co_await test::settle();
            CHECK(order.size() == 40);
            CHECK(std::is_sorted(order.begin(), order.end()));
        }
    });
}

TEST_CASE("call_soon: what is queued at the runtime's end still runs, its tasks are cancelled, and it queues nothing more") {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{1}, std::size_t{4}}) {
        int ran = 0;
        test::census census;
        test::report_log log;
        aya::runtime_options options = test::kind{workers}.options();
        options.exception_handler = log.handler();
        {
            aya::runtime rt(options);
            (void)aya::call_soon_threadsafe(rt, [&] {
                ++ran;
                (void)aya::create_task(
                    [](test::census::resident) -> aya::task<> { co_await test::forever(); }, census.make());
            });
            auto again = [](auto self) -> void { (void)aya::call_soon(self, self); }; // until the runtime refuses
            (void)aya::call_soon_threadsafe(rt, again, again);
        }
        CHECK(ran == 1);
        CHECK(census.live() == 0);
        CHECK(log.count() == 1);
    }
}

TEST_CASE("call_soon: from many threads every callback runs once, one at a time") {
    test::on_every_runtime([](aya::runtime& rt) {
        constexpr int per_thread = 7; // few: the blocks of the injection queue, once reused, are beyond ThreadSanitizer
        std::vector<int> seen(4, 0); // no lock: callbacks run one at a time
        int calls = 0;
        bool ordered = true;
        test::thread_crew crew;
        for (std::size_t t = 0; t < seen.size(); ++t)
            crew.add([&, t] {
                for (int i = 0; i < per_thread; ++i)
                    (void)aya::call_soon_threadsafe(rt, [&, t, i] {
                        ordered = ordered && seen[t] == i;
                        ++seen[t];
                        ++calls;
                    });
            });
        aya::promise<> const done(rt);
        auto wait = [](aya::future<> f) -> aya::task<> { co_await f; };
        crew.join();
        (void)aya::call_soon_threadsafe(rt, [&] { done.set_value(); });
        rt.block_on(wait, done.get_future());
        CHECK(calls == 4 * per_thread);
        CHECK(ordered);
    });
}

TEST_CASE("call_later: a cancelled call never comes, and its function goes at once") {
    everywhere([]() -> aya::task<> {
        test::census census;
        int calls = 0;
        auto const start = aya::now();
        auto const h = aya::call_later(5ms, [&calls, alive = census.make()] { ++calls; });
        CHECK(h.when() == start + 5ms);
        auto const kept = aya::call_at(start + 7ms, [&] { ++calls; });
        CHECK(h.cancel());
        CHECK(h.cancelled());
        CHECK_FALSE(h.cancel());
        CHECK(census.live() == 0);
        co_await aya::sleep(6ms);
        CHECK(calls == 0);
        co_await aya::sleep(6ms);
        CHECK(calls == 1);
        CHECK_FALSE(kept.cancel());
        CHECK_THROWS_AS((void)aya::call_later(std::chrono::duration<double>(std::nan("")), [] {}), std::invalid_argument);
    });
}

TEST_CASE("call_later: what is not due at the runtime's end is dropped") {
    test::census census;
    aya::timer_handle late;
    test::on_every_runtime([&](aya::runtime& rt) {
        auto body = [](test::census& c, aya::timer_handle& h) -> aya::task<> {
            h = aya::call_later(1h, [alive = c.make()] {});
            co_return;
        };
        rt.block_on(body, std::ref(census), std::ref(late));
        CHECK(census.live() == 1);
    });
    CHECK(census.live() == 0);
    CHECK(late.cancelled() == (census.ever() != 0));
    CHECK_FALSE(late.cancel());
}

TEST_CASE("call_soon: cancel against call, from several threads") {
    test::on_every_runtime([](aya::runtime& rt) {
        std::atomic<int> called{0};
        std::atomic<int> cancelled{0};
        constexpr int rounds = 21;
        for (int i = 0; i < rounds; ++i) {
            auto const h = aya::call_soon_threadsafe(rt, [&] { called.fetch_add(1); });
            test::thread_crew crew;
            if (i % 3 == 0)
                crew.add([h, &cancelled] { cancelled.fetch_add(h.cancel() ? 1 : 0); });
            cancelled.fetch_add(h.cancel() ? 1 : 0);
        }
        aya::promise<> const done(rt);
        (void)aya::call_soon_threadsafe(rt, [&] { done.set_value(); });
        auto wait = [](aya::future<> f) -> aya::task<> { co_await f; };
        rt.block_on(wait, done.get_future());
        CHECK(called.load() + cancelled.load() == rounds);
    });
}

TEST_CASE("call_soon: outside a runtime is refused") {
    CHECK_THROWS_AS((void)aya::call_soon([] {}), aya::invalid_state_error);
    CHECK_THROWS_AS((void)aya::call_later(1s, [] {}), aya::invalid_state_error);
}
