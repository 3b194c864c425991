// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

aya::task<int> after(std::chrono::milliseconds d, int v) {
    co_await aya::sleep(d);
    co_return v;
}

} // namespace

TEST_CASE("task_group: gives the body's result once every child is done; handles give theirs") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> handles;
        auto body = [&](aya::task_group& group) -> aya::task<int> {
            for (int i = 0; i < 5; ++i)
                handles.push_back(group.create_task(after(std::chrono::milliseconds(i), i)));
            co_return 99;
        };
        auto const start = aya::now();
        int const result = co_await aya::with_task_group(body);
        CHECK(result == 99);
        CHECK(aya::now() - start == 4ms);
        int sum = 0;
        for (auto const& h : handles) {
            REQUIRE(h.done());
            sum += h.result();
        }
        CHECK(sum == 10);
    });
}

TEST_CASE("task_group: an empty group, an empty body's arguments, and children with names") {
    everywhere([]() -> aya::task<> {
        auto empty = [](aya::task_group&, int x) -> aya::task<int> { co_return x; };
        int const same = co_await aya::with_task_group(empty, 4);
        CHECK(same == 4);
        auto named = [](aya::task_group& group) -> aya::task<std::string> {
            auto const h = group.create_task(after(1ms, 1), {.name = "child"});
            co_return h.name();
        };
        std::string const name = co_await aya::with_task_group(named);
        CHECK(name == "child");
    });
}

TEST_CASE("task_group: children that create children, from every worker at once") {
    everywhere([]() -> aya::task<> {
        test::census census;
        std::atomic<int> leaves{0};
        struct tree {
            static aya::task<> grow(aya::task_group& group, int depth, std::atomic<int>& leaves, test::census::resident r) {
                co_await aya::yield();
                if (depth == 0) {
                    leaves.fetch_add(1);
                    co_return;
                }
                (void)group.create_task(grow(group, depth - 1, leaves, r));
                (void)group.create_task(grow(group, depth - 1, leaves, r));
            }
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(tree::grow(group, 9, leaves, census.make()));
            co_return;
        };
        co_await aya::with_task_group(body);
        CHECK(leaves.load() == 512);
        CHECK(census.live() == 0);
    });
}

TEST_CASE("task_group: a failure among many children cancels all others") {
    everywhere([]() -> aya::task<> {
        test::census census;
        std::atomic<int> cancelled{0};
        auto sleeper = [&](test::census::resident) -> aya::task<> {
            try {
                co_await aya::sleep(10h);
            } catch (aya::cancelled_error const&) {
                cancelled.fetch_add(1);
                throw;
            }
        };
        auto fail = []() -> aya::task<> {
            co_await aya::sleep(1ms);
            throw std::out_of_range("no");
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            for (int i = 0; i < 200; ++i)
                (void)group.create_task(sleeper, census.make());
            (void)group.create_task(fail);
            co_return;
        };
        bool group_thrown = false;
        try {
            co_await aya::with_task_group(body);
        } catch (aya::exception_group const& g) {
            group_thrown = true;
            CHECK(g.message() == "unhandled errors in a TaskGroup");
            CHECK(g.exceptions().size() == 1);
        }
        CHECK(group_thrown);
        CHECK(cancelled.load() == 200);
        CHECK(census.live() == 0);
        CHECK(aya::now() < aya::time_point(1s));
    });
}

TEST_CASE("task_group: outside a task is refused") {
    // Nothing starts outside a runtime, so the refusal comes when a group's block is scheduled.
    auto body = [](aya::task_group&) -> aya::task<> { co_return; };
    CHECK_THROWS_AS((void)aya::create_task(aya::with_task_group(body)), aya::invalid_state_error);
}
