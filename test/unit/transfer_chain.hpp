// SPDX-License-Identifier: Apache-2.0
// A chain of awaits for test_transfer.cpp, which is compiled with both ways of going on to the next coroutine.
#pragma once

#include <aya/aya.hpp>

inline aya::task<int> count_down(int n) { // inline: the linker keeps one of the two
    if (n == 0) {
        co_await aya::yield();
        co_return 0;
    }
    auto [a, b] = co_await aya::gather(count_down(n - 1), count_down(0));
    co_return a + b + 1;
}

int count_down_directly(int n);
int count_down_by_the_loop(int n);
aya::task<int> step_directly(int n);
aya::task<int> step_by_the_loop(int n);
