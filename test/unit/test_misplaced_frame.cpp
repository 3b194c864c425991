// SPDX-License-Identifier: Apache-2.0
// A co_await in a condition of a coroutine that declares no variable. g++ 12 lays it out so that nothing can resume it (seen with 12.2): then the
// call throws, and says what to write. With other compilers it runs.
#include <aya/async_generator.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <string>

namespace {

aya::task<bool> yes() {
    co_await aya::yield();
    co_return true;
}

int turns = 0;

aya::task<int> in_if() {
    if (co_await yes())
        co_return 1;
    co_return 2;
}
aya::task<> in_while() {
    while (co_await yes())
        if (++turns == 3)
            co_return;
}
aya::task<> with_a_variable() {
    int more = 3;
    while (co_await yes())
        if (--more == 0)
            co_return;
}
aya::async_generator<int> generator() {
    if (co_await yes())
        co_yield 1;
}

template <class F>
void check_refused_or(F run) {
    try {
        run();
    } catch (aya::invalid_state_error const& e) {
        std::string const text = e.what();
        CAPTURE(text);
        CHECK(text.find("test_misplaced_frame.cpp:") != text.npos);
        CHECK(text.find("declares no variable") != text.npos);
    }
}

} // namespace

TEST_CASE("a coroutine that g++ 12 lays out wrongly is refused where it is called, and not waited for") {
    test::on_every_runtime([](aya::runtime& rt) {
        check_refused_or([&] {
            int const got = rt.block_on(in_if());
            CHECK(got == 1);
        });
        turns = 0;
        check_refused_or([&] {
            rt.block_on(in_while());
            CHECK(turns == 3);
        });
        check_refused_or([&] {
            auto sum = [](aya::async_generator<int> g) -> aya::task<int> {
                int all = 0;
                while (auto const i = co_await g.next())
                    all += *i;
                co_return all;
            };
            int const got = rt.block_on(sum(generator()));
            CHECK(got == 1);
        });
        rt.block_on(with_a_variable());
    });
}

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ == 12 && __GNUC_MINOR__ == 2
TEST_CASE("g++ 12.2 is known to do so") {
    CHECK_THROWS_AS((void)in_if(), aya::invalid_state_error);
    CHECK_THROWS_AS((void)in_while(), aya::invalid_state_error);
}
#endif
