// SPDX-License-Identifier: Apache-2.0
// Section 11 of the contract: as_completed.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

aya::task<int> after(std::chrono::milliseconds d, int value) {
    co_await aya::sleep(d);
    if (value < 0)
        throw std::runtime_error("negative");
    co_return value;
}

std::vector<aya::task_handle<int>> start(std::vector<int> const& delays) {
    std::vector<aya::task_handle<int>> handles;
    for (int const d : delays)
        handles.push_back(aya::create_task(after, std::chrono::milliseconds(d), d));
    return handles;
}

} // namespace

TEST_CASE("AC1, AC4: the original tasks, in the order of their ends") {
    everywhere([]() -> aya::task<> {
        auto const handles = start({30, 10, 20});
        auto c = aya::as_completed(handles);
        std::vector<aya::task_handle<int>> order;
        while (auto h = co_await c.next())
            order.push_back(std::move(h));
        CHECK(order.size() == 3);
        CHECK(order[0] == handles[1]);
        CHECK(order[1] == handles[2]);
        CHECK(order[2] == handles[0]);
    });
}

TEST_CASE("AC2: duplicates collapse") {
    everywhere([]() -> aya::task<> {
        auto handles = start({10, 20});
        handles.push_back(handles[0]);
        auto c = aya::as_completed(handles);
        int count = 0;
        while (co_await c.next())
            ++count;
        CHECK(count == 2);
    });
}

TEST_CASE("AC3: after the timeout each task that is left is a timeout_error, and none is cancelled") {
    everywhere([]() -> aya::task<> {
        auto const handles = start({10, 50, 60});
        auto c = aya::as_completed(handles, 20ms);
        auto const first = co_await c.next();
        CHECK(first == handles[0]);
        int timeouts = 0;
        for (int i = 0; i < 2; ++i) {
            try {
                (void)co_await c.next();
            } catch (aya::timeout_error const&) {
                ++timeouts;
            }
        }
        CHECK(timeouts == 2);
        auto const end = co_await c.next();
        CHECK_FALSE(static_cast<bool>(end));
        int const late = co_await handles[2];
        CHECK(late == 60);
    });
}

TEST_CASE("AC5: a failed or cancelled task is given out like any other") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> handles = start({30});
        handles.push_back(aya::create_task(after, 10ms, -1));
        handles.push_back(aya::create_task(after, 1000ms, 1));
        auto c = aya::as_completed(handles);
        auto const failed = co_await c.next();
        CHECK_THROWS_AS((void)failed.result(), std::runtime_error);
        handles[2].cancel();
        auto const cancelled = co_await c.next();
        CHECK(cancelled.cancelled());
        auto const good = co_await c.next();
        CHECK(good.result() == 30);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("AC6: the iteration can be broken off and taken up again") {
    everywhere([]() -> aya::task<> {
        auto c = aya::as_completed(start({10, 20, 30}));
        std::string order;
        for (int part = 0; part < 2; ++part) {
            while (auto const h = co_await c.next()) {
                order += std::to_string(h.result()) + ' ';
                if (h.result() == 10)
                    break;
            }
            order += '|';
        }
        CHECK(order == "10 |20 30 |");
    });
}

TEST_CASE("AC7: two tasks may wait at once") {
    everywhere([]() -> aya::task<> {
        auto c = aya::as_completed(start({10, 20}));
        auto wait = [&]() -> aya::task<int> {
            auto const h = co_await c.next();
            co_return h.result();
        };
        auto const [a, b] = co_await aya::gather(wait(), wait());
        CHECK(a + b == 30);
    });
}

TEST_CASE("AC8: dropping the iteration does not cancel the tasks") {
    everywhere([]() -> aya::task<> {
        auto const handles = start({10, 20});
        {
            auto c = aya::as_completed(handles, 15ms);
            auto const first = co_await c.next();
            CHECK(first == handles[0]);
        }
        int const second = co_await handles[1];
        CHECK(second == 20);
    });
}
