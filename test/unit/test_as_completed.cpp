// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

aya::task<int> after(std::chrono::milliseconds d, int value) {
    co_await aya::sleep(d);
    co_return value;
}

/// Counts how many run at once.
struct meter {
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    std::atomic<int> started{0};

    aya::task<int> run(int i) {
        started.fetch_add(1);
        int const here = now.fetch_add(1) + 1;
        for (int m = most.load(); m < here && !most.compare_exchange_weak(m, here);) {
        }
        co_await aya::sleep(std::chrono::milliseconds(1 + i % 3));
        now.fetch_sub(1);
        co_return i;
    }
};

/// What lambdas capture: it says when it is gone.
class client {
public:
    explicit client(std::shared_ptr<std::atomic<bool>> gone) : gone_(std::move(gone)) {}
    client(client const&) = delete;
    client& operator=(client const&) = delete;
    ~client() { gone_->store(true); }
    [[nodiscard]] bool usable() const { return !gone_->load(); }

private:
    std::shared_ptr<std::atomic<bool>> gone_;
};

} // namespace

TEST_CASE("as_completed: of tasks, which are scheduled at once, and of nothing") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task<int>> tasks;
        tasks.push_back(after(3ms, 3));
        tasks.push_back(after(1ms, 1));
        auto c = aya::as_completed(std::move(tasks));
        std::string order;
        while (auto const h = co_await c.next())
            order += std::to_string(h.result());
        CHECK(order == "13");
        auto const more = co_await c.next();
        CHECK_FALSE(static_cast<bool>(more));
        auto none = aya::as_completed(std::vector<aya::task_handle<int>>());
        auto const nothing = co_await none.next();
        CHECK_FALSE(static_cast<bool>(nothing));
    });
}

TEST_CASE("as_completed: a cancelled wait loses no task; who waits for more than there is gets an empty handle") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> handles;
        handles.push_back(aya::create_task(after, 5ms, 5));
        auto c = aya::as_completed(handles);
        auto wait = [&]() -> aya::task<int> {
            auto const h = co_await c.next();
            co_return h ? h.result() : -1;
        };
        auto const first = aya::create_task(wait);
        co_await test::settle();
        auto const second = aya::create_task(wait);
        auto const third = aya::create_task(wait);
        co_await test::settle();
        first.cancel();
        int const sum = co_await second + co_await third;
        CHECK(sum == 4);
        CHECK(first.cancelled());
        CHECK_FALSE(handles[0].cancelled());
    });
}

TEST_CASE("as_completed: cancel against completion: every task is given out once") {
    everywhere([]() -> aya::task<> {
        for (int round = 0; round < 100; ++round) {
            std::vector<aya::task<int>> tasks;
            for (int i = 0; i < 4; ++i)
                tasks.push_back([](int v) -> aya::task<int> {
                    co_await aya::yield();
                    co_return v;
                }(i));
            auto c = aya::as_completed(std::move(tasks));
            std::atomic<int> got{0};
            auto wait = [&]() -> aya::task<> {
                while (co_await c.next())
                    got.fetch_add(1);
            };
            auto const hasty = aya::create_task(wait);
            co_await aya::yield();
            hasty.cancel();
            co_await wait();
            (void)co_await aya::gather(aya::return_exceptions, hasty);
            CHECK(got.load() == 4);
        }
    });
}

TEST_CASE("gather with max_concurrency: results in order, never more under way than the limit") {
    everywhere([]() -> aya::task<> {
        meter m;
        auto const made = std::views::iota(0, 100) | std::views::transform([&](int i) { return m.run(i); });
        std::vector<int> const all = co_await aya::gather(aya::max_concurrency{7}, made);
        CHECK(all.size() == 100);
        bool ordered = true;
        for (std::size_t i = 0; i < all.size(); ++i)
            ordered = ordered && all[i] == static_cast<int>(i);
        CHECK(ordered);
        CHECK(m.most.load() == 7);
        co_await aya::gather(aya::max_concurrency{2}, std::views::iota(0, 3) | std::views::transform([](int) -> aya::task<> {
                                                          co_await aya::yield();
                                                      }));
        std::vector<aya::task<std::unique_ptr<int>>> owned;
        for (int i = 0; i < 3; ++i)
            owned.push_back([](int v) -> aya::task<std::unique_ptr<int>> { co_return std::make_unique<int>(v); }(i));
        auto const pointers = co_await aya::gather(aya::max_concurrency{2}, std::move(owned));
        CHECK(*pointers[2] == 2);
        std::vector<int> const none = co_await aya::gather(aya::max_concurrency{2}, std::vector<aya::task<int>>());
        CHECK(none.empty());
        CHECK_THROWS_AS(aya::max_concurrency{0}, std::invalid_argument);
    });
}

TEST_CASE("gather with max_concurrency: a failure is thrown at once, nothing more is started, the others run on") {
    everywhere([]() -> aya::task<> {
        meter m;
        auto make = [&](int i) -> aya::task<int> {
            if (i == 3)
                throw std::runtime_error("three");
            co_return co_await m.run(i + 2);
        };
        bool const failed = co_await test::throws<std::runtime_error>(
            aya::gather(aya::max_concurrency{4}, std::views::iota(0, 100) | std::views::transform(make)));
        CHECK(failed);
        CHECK(m.started.load() <= 7);
        co_await aya::sleep(10ms);
        CHECK(m.now.load() == 0);
        auto const outcomes = co_await aya::gather(aya::return_exceptions, aya::max_concurrency{4},
                                                   std::views::iota(0, 6) | std::views::transform(make));
        CHECK(outcomes.size() == 6);
        CHECK_FALSE(outcomes[3].has_value());
        CHECK(outcomes[5].value() == 7);
    });
}

TEST_CASE("gather with max_concurrency: cancelling it cancels what is under way, and starts nothing more") {
    everywhere([]() -> aya::task<> {
        for (bool const outcomes : {false, true}) {
            std::atomic<int> started{0};
            std::atomic<int> cancelled{0};
            auto stubborn = [&](int i) -> aya::task<int> {
                started.fetch_add(1);
                bool const told = co_await test::throws<aya::cancelled_error>(test::forever());
                cancelled.fetch_add(told ? 1 : 0);
                co_return i; // ignores it
            };
            auto body = [&]() -> aya::task<> {
                auto made = std::views::iota(0, 50) | std::views::transform(stubborn);
                if (outcomes)
                    (void)co_await aya::gather(aya::return_exceptions, aya::max_concurrency{3}, made);
                else
                    (void)co_await aya::gather(aya::max_concurrency{3}, made);
            };
            auto const t = aya::create_task(body);
            co_await test::settle();
            t.cancel("stop");
            bool const ended = co_await test::throws<aya::cancelled_error>(t);
            CHECK(ended);
            CHECK(started.load() == 3);
            CHECK(cancelled.load() == 3);
        }
    });
}

TEST_CASE("as_completed with max_concurrency: at most so many are started and not given out") {
    everywhere([]() -> aya::task<> {
        meter m;
        auto c = aya::as_completed(aya::max_concurrency{3},
                                   std::views::iota(0, 20) | std::views::transform([&](int i) { return m.run(i); }));
        int given = 0;
        int sum = 0;
        bool bounded = true;
        for (;;) {
            auto const h = co_await c.next();
            bounded = bounded && m.started.load() <= given + 3;
            if (!h)
                break;
            ++given;
            sum += h.result();
        }
        CHECK(given == 20);
        CHECK(sum == 190);
        CHECK(bounded);
    });
}

TEST_CASE("bounded gather: late failures are nobody's, also when the range itself throws") {
    for (std::size_t const workers : test::every_kind) {
        std::atomic<int> reports{0};
        aya::runtime_options options;
        options.virtual_time = true;
        options.exception_handler = [&](aya::exception_report const&) { reports.fetch_add(1); };
        {
            aya::runtime rt(test::kind{workers}.options(options));
            rt.block_on([]() -> aya::task<> {
                auto fail = [](int ms) -> aya::task<int> {
                    co_await aya::sleep(std::chrono::milliseconds(ms));
                    throw std::runtime_error("late");
                    co_return 1;
                };
                std::vector<int> const times{1, 5, 6};
                auto late = aya::gather(aya::max_concurrency{3}, times | std::views::transform(fail));
                bool const failed = co_await test::throws<std::runtime_error>(std::move(late));
                CHECK(failed);
                auto refuse_last = [fail](int ms) {
                    if (ms == 6)
                        throw std::out_of_range("no more");
                    return fail(ms);
                };
                auto short_of_one = aya::gather(aya::max_concurrency{3}, times | std::views::transform(refuse_last));
                bool const refused = co_await test::throws<std::out_of_range>(std::move(short_of_one));
                CHECK(refused);
                co_await aya::sleep(10ms);
            }());
        }
        CHECK(reports.load() == 0);
    }
}

TEST_CASE("max_concurrency: tasks that run on use what the range's lambda has captured") {
    everywhere([]() -> aya::task<> {
        auto const gone = std::make_shared<std::atomic<bool>>(false);
        auto const usable = std::make_shared<std::atomic<int>>(0);
        auto make = [](std::shared_ptr<std::atomic<bool>> flag, std::shared_ptr<std::atomic<int>> count) {
            return [c = std::make_shared<client const>(std::move(flag)), count](int i) -> aya::task<int> {
                co_await aya::sleep(std::chrono::milliseconds(1 + i));
                if (i == 0)
                    throw std::runtime_error("first");
                count->fetch_add(c->usable() ? 1 : 0); // through the lambda, which must still be there
                co_return i;
            };
        };
        std::vector<int> const ids{0, 5, 6};
        auto gathered = aya::gather(aya::max_concurrency{3}, ids | std::views::transform(make(gone, usable)));
        bool const failed = co_await test::throws<std::runtime_error>(std::move(gathered));
        CHECK(failed);
        CHECK_FALSE(gone->load());
        co_await aya::sleep(10ms);
        CHECK(usable->load() == 2);
        CHECK(gone->load()); // with the last task

        gone->store(false);
        {
            auto c = aya::as_completed(aya::max_concurrency{3}, ids | std::views::transform(make(gone, usable)));
            auto const first = co_await c.next();
            CHECK(first.exception() != nullptr);
        }
        CHECK_FALSE(gone->load());
        co_await aya::sleep(10ms);
        CHECK(usable->load() == 4);
        CHECK(gone->load());
    });
}

TEST_CASE("max_concurrency: a limit beyond all memory is one that is never reached") {
    everywhere([]() -> aya::task<> {
        std::vector<int> ids(40);
        for (int i = 0; i < 40; ++i)
            ids[static_cast<std::size_t>(i)] = i;
        auto const fetch = [](int i) { return after(std::chrono::milliseconds(40 - i), i); };
        for (std::size_t const limit : {SIZE_MAX, std::size_t{1'000'000'000}, std::size_t{20}}) {
            auto gathered = aya::gather(aya::max_concurrency(limit), ids | std::views::transform(fetch));
            auto const all = co_await std::move(gathered);
            CHECK(all == ids);
            auto c = aya::as_completed(aya::max_concurrency(limit), ids | std::views::transform(fetch));
            int sum = 0;
            while (auto const h = co_await c.next())
                sum += h.result();
            CHECK(sum == 40 * 39 / 2);
        }
    });
}
