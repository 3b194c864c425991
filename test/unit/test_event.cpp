// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using test::everywhere;

TEST_CASE("event: set, clear and is_set, any number of times") {
    aya::event e;
    CHECK_FALSE(e.is_set());
    e.clear();
    CHECK_FALSE(e.is_set());
    e.set();
    e.set();
    CHECK(e.is_set());
    e.clear();
    CHECK_FALSE(e.is_set());
}

TEST_CASE("event: wakes every waiter, thousands of them, and none before") {
    everywhere([]() -> aya::task<> {
        aya::event e;
        std::atomic<int> woken{0};
        auto waiter = [&]() -> aya::task<> {
            co_await e.wait();
            woken.fetch_add(1);
        };
        std::vector<aya::task_handle<>> all;
        for (int i = 0; i < 3000; ++i)
            all.push_back(aya::create_task(waiter));
        co_await test::settle();
        CHECK(woken.load() == 0);
        e.set();
        co_await test::settle();
        CHECK(woken.load() == 3000);
    });
}

TEST_CASE("event: may be destroyed as soon as its waiter runs, while set() is still returning") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto round = []() -> aya::task<> {
            auto const e = std::make_unique<aya::event>();
            auto setter = [&]() -> aya::task<> {
                e->set();
                co_return;
            };
            auto const h = aya::create_task(setter);
            co_await e->wait();
            co_await h;
        };
        auto rounds = [&]() -> aya::task<> {
            for (int i = 0; i < 2000; ++i)
                co_await round();
        };
        rt.block_on(rounds);
    });
}

TEST_CASE("event: set by a foreign thread") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::event e;
        test::thread_crew crew;
        crew.add([&] { e.set(); });
        auto waiter = [&]() -> aya::task<> { co_await e.wait(); };
        rt.block_on(waiter);
        CHECK(e.is_set());
    });
}
