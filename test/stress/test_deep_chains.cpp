// SPDX-License-Identifier: Apache-2.0
// A million awaits, one after the other and inside each other: no recursion on the stack, in any build.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>

namespace {

// Fewer where each one costs more; still far more than a stack could hold.
#if AYA_SANITIZED
constexpr int million = 30'000;
#elif defined(NDEBUG)
constexpr int million = 1'000'000;
#else
constexpr int million = 300'000;
#endif

aya::task<int> one() { co_return 1; }

aya::task<int> one_later() {
    co_await aya::yield();
    co_return 1;
}

aya::task<int> inline_chain(int depth, aya::event& bottom) {
    if (depth == 0) {
        co_await bottom.wait();
        co_return 1;
    }
    int const below = co_await inline_chain(depth - 1, bottom);
    co_return below + 1;
}

aya::task<int> task_chain(int depth, aya::event& bottom) {
    if (depth == 0) {
        co_await bottom.wait();
        co_return 1;
    }
    auto const below = aya::create_task(task_chain(depth - 1, bottom));
    int const count = co_await below;
    co_return count + 1;
}

void on_two_kinds(test::task_body body) {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{2}}) {
        CAPTURE(workers);
        aya::runtime rt(test::kind{workers}.options());
        rt.block_on(body);
    }
}

} // namespace

TEST_CASE("stress: a million awaits in a loop, of coroutines that do and do not suspend") {
    on_two_kinds([]() -> aya::task<> {
        long sum = 0;
        for (int i = 0; i < million; ++i) {
            int const a = co_await one();
            sum += a;
        }
        for (int i = 0; i < million / 4; ++i) {
            int const a = co_await one_later();
            sum += a;
        }
        aya::event set;
        set.set();
        for (int i = 0; i < million; ++i)
            co_await set.wait();
        CHECK(sum == million + million / 4);
    });
}

TEST_CASE("stress: a million coroutines deep, down and up") {
    on_two_kinds([]() -> aya::task<> {
        aya::event bottom;
        auto const h = aya::create_task(inline_chain(million, bottom));
        co_await aya::yield();
        bottom.set();
        int const depth = co_await h;
        CHECK(depth == million + 1);
    });
}

TEST_CASE("stress: a million coroutines deep, cancelled at the bottom") {
    on_two_kinds([]() -> aya::task<> {
        aya::event bottom;
        auto const h = aya::create_task(inline_chain(million, bottom));
        for (int i = 0; i < 3; ++i)
            co_await aya::yield();
        h.cancel();
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
    });
}

TEST_CASE("stress: a million tasks, each awaiting the next") {
    on_two_kinds([]() -> aya::task<> {
        aya::event bottom;
        auto const h = aya::create_task(task_chain(million, bottom));
        co_await aya::yield();
        bottom.set();
        int const depth = co_await h;
        CHECK(depth == million + 1);
    });
}

TEST_CASE("stress: a million tasks, each awaiting the next, cancelled from the top") {
    aya::runtime_options in_virtual_time;
    in_virtual_time.virtual_time = true;
    for (std::size_t const workers : {std::size_t{0}, std::size_t{2}}) {
        CAPTURE(workers);
        aya::runtime rt(test::kind{workers}.options(in_virtual_time));
        auto body = []() -> aya::task<> {
            aya::event bottom;
            auto const h = aya::create_task(task_chain(million, bottom));
            co_await test::settle(); // all of them wait now
            h.cancel();
            bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
            CHECK(cancelled);
        };
        rt.block_on(body);
    }
}

// Not more of them: the end of a runtime cancels each task, and each request walks down the whole chain.
TEST_CASE("stress: a runtime ends while three thousand tasks wait for each other") {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{2}}) {
        CAPTURE(workers);
        aya::event bottom;
        aya::runtime rt(test::kind{workers}.options());
        auto start = [&]() -> aya::task<> {
            (void)aya::create_task(task_chain(3000, bottom));
            for (int i = 0; i < 100; ++i)
                co_await aya::yield();
        };
        rt.block_on(start);
    }
}
