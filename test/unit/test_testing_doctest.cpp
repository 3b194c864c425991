// SPDX-License-Identifier: Apache-2.0
#include <aya/aya.hpp>
#include <aya/testing/doctest.hpp>

#include <chrono>

using aya::testing::test_case;
using namespace std::chrono_literals;

namespace {

aya::task<int> three() {
    co_await aya::sleep(1h); // virtual time
    co_return 3;
}

int branches = 0;

test_case const passes("testing::test_case: a coroutine is a test case", []() -> aya::task<> {
    int const n = co_await three();
    CHECK(n == 3);
});

test_case const with_options("testing::test_case: options come before the body", {.workers = 0, .virtual_time = false}, []() -> aya::task<> {
    auto const before = std::chrono::steady_clock::now();
    co_await aya::sleep(1ms);
    CHECK(std::chrono::steady_clock::now() - before >= 1ms);
});

test_case const by_parts("testing::test_case: each subcase is a run", []() -> aya::task<> {
    co_await aya::yield();
    SUBCASE("one") { branches += 1; }
    SUBCASE("two") { branches += 10; }
});

test_case const fails("testing::test_case: a check that does not hold after a suspension fails the case", []() -> aya::task<> {
    co_await aya::yield();
    REQUIRE(branches == -1);
}, doctest::should_fail(), doctest::no_breaks());

test_case const throws("testing::test_case: an exception fails the case", []() -> aya::task<> {
    co_await aya::yield();
    throw aya::timeout_error();
}, doctest::should_fail());

test_case const leaves("testing::test_case: a task that is left behind fails the case", []() -> aya::task<> {
    (void)aya::create_task(three());
    co_return;
}, doctest::should_fail());

} // namespace

TEST_CASE("testing::test_case: both subcases have run") {
    CHECK(branches % 11 == 0);
    CHECK(branches > 0);
}
