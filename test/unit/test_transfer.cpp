// SPDX-License-Identifier: Apache-2.0
// Files of one program may go on to the next coroutine in different ways: g++ without optimisation beside g++ with it, or beside clang.
#include "transfer_chain.hpp"

#include <doctest/doctest.h>

TEST_CASE("Files that transfer directly and files that leave it to the loop are one program") {
    CHECK(count_down_directly(20) == 20);
    CHECK(count_down_by_the_loop(20) == 20);
}

TEST_CASE("Coroutines that transfer directly and coroutines that leave it to the loop await each other") {
    CHECK(aya::run(step_directly(50)) == 50);
    CHECK(aya::run(step_by_the_loop(51)) == 51);
}
