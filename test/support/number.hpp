// SPDX-License-Identifier: Apache-2.0
// The task that tests of operations wait for.
#pragma once

#include <aya/sleep.hpp>
#include <aya/task.hpp>

namespace test {

/// `i`, in the next turn.
inline aya::task<int> number(int i) {
    co_await aya::yield();
    co_return i;
}

} // namespace test
