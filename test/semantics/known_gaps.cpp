// SPDX-License-Identifier: Apache-2.0
// What the contract asks for and the library does not do yet. Each test fails as long as that is so, and says so when it no
// longer does: then it moves to its section's file.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

using test::in_order;
using namespace std::chrono_literals;

TEST_CASE("L4: a second unlock in the window between hand-over and the new owner's step is refused" *
          doctest::should_fail()) {
    in_order([]() -> aya::task<> {
        aya::mutex m;
        CHECK(m.try_lock());
        auto waiter = [&]() -> aya::task<> { auto const guard = co_await m.lock(); };
        auto const a = aya::create_task(waiter);
        auto const b = aya::create_task(waiter);
        co_await test::settle();
        m.unlock();
        CHECK_THROWS_AS(m.unlock(), aya::invalid_state_error);
        for (auto const& h : {a, b})
            h.cancel(); // or the guards would unlock once too often
        co_await test::settle();
    });
}

TEST_CASE("R4: a leftover that ends with an exception during shutdown is reported" * doctest::should_fail()) {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{2}}) {
        test::report_log log;
        aya::runtime_options options = test::kind{workers}.options();
        options.virtual_time = true;
        options.exception_handler = log.handler();
        auto leftover = []() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw std::runtime_error("while shutting down");
        };
        auto main = [&]() -> aya::task<int> {
            (void)aya::create_task(leftover);
            co_await aya::sleep(1ms);
            co_return 5;
        };
        CHECK(aya::run(options, main) == 5);
        CHECK(log.count() == 1);
    }
}

TEST_CASE("R1: block_on on an event loop returns when its task is done, though another one keeps yielding") {
    aya::runtime rt(test::kind{0}.options());
    auto busy = []() -> aya::task<> {
        for (int i = 0; i < 100'000; ++i) // without the limit block_on would never return
            co_await aya::yield();
    };
    auto const h = rt.spawn(busy);
    auto quick = []() -> aya::task<> { co_await aya::yield(); };
    rt.block_on(quick);
    CHECK_FALSE(h.done());
}
