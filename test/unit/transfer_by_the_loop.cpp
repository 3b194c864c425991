// SPDX-License-Identifier: Apache-2.0
#define AYA_TRAMPOLINE 1
#include "transfer_chain.hpp"

int count_down_by_the_loop(int n) { return aya::run(count_down(n)); }

aya::task<int> step_by_the_loop(int n) {
    if (n == 0)
        co_return 0;
    co_return 1 + co_await step_directly(n - 1);
}
