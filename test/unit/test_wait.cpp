// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

aya::task<int> after(std::chrono::milliseconds d, int value) {
    co_await aya::sleep(d);
    co_return value;
}

} // namespace

TEST_CASE("wait: done and pending keep the order of the arguments") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> tasks;
        for (int i = 0; i < 6; ++i)
            tasks.push_back(aya::create_task(after(i % 2 == 0 ? 1ms : 10ms, i)));
        auto const result = co_await aya::wait(tasks, {.timeout = 5ms});
        REQUIRE(result.done.size() == 3);
        REQUIRE(result.pending.size() == 3);
        for (std::size_t i = 0; i < 3; ++i) {
            CHECK(result.done[i] == tasks[2 * i]);
            CHECK(result.pending[i] == tasks[2 * i + 1]);
        }
        co_await aya::gather(tasks);
    });
}

TEST_CASE("wait: as a loop that handles tasks as they complete") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> left;
        for (int i = 0; i < 10; ++i)
            left.push_back(aya::create_task(after(std::chrono::milliseconds(10 - i), i)));
        std::vector<int> order;
        while (!left.empty()) {
            auto result = co_await aya::wait(std::move(left), {.return_when = aya::first_completed});
            for (auto const& t : result.done)
                order.push_back(t.result());
            left = std::move(result.pending);
        }
        REQUIRE(order.size() == 10);
        CHECK(std::is_sorted(order.rbegin(), order.rend()));
    });
}

TEST_CASE("wait: hundreds of tasks with duplicates give each one once") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> tasks;
        for (int i = 0; i < 300; ++i)
            tasks.push_back(aya::create_task(after(1ms, i)));
        std::vector<aya::task_handle<int>> twice = tasks;
        twice.insert(twice.end(), tasks.rbegin(), tasks.rend());
        auto const result = co_await aya::wait(std::move(twice));
        CHECK(result.pending.empty());
        REQUIRE(result.done.size() == 300);
        for (std::size_t i = 0; i < 300; ++i)
            CHECK(result.done[i] == tasks[i]);
    });
}

TEST_CASE("wait: with a timeout of hours on tasks that end soon leaves no timer behind") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> tasks;
        tasks.push_back(aya::create_task(after(1ms, 1)));
        (void)co_await aya::wait(tasks, {.timeout = 10h});
        co_await aya::sleep(1s);
        CHECK(aya::now() < aya::time_point(2s)); // time did not jump to a forgotten deadline
    });
}
