// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

aya::task<int> after(std::chrono::milliseconds d, int value) {
    co_await aya::sleep(d);
    co_return value;
}
aya::task<> nothing() { co_return; }
aya::task<std::unique_ptr<int>> owned(int v) { co_return std::make_unique<int>(v); }
aya::task<int> fail() {
    throw std::runtime_error("no");
    co_return 0;
}

} // namespace

TEST_CASE("gather: a tuple of different types in argument order, unit for void") {
    everywhere([]() -> aya::task<> {
        auto text = []() -> aya::task<std::string> { co_return "text"; };
        auto [a, b, c] = co_await aya::gather(after(3ms, 1), nothing(), text());
        static_assert(std::is_same_v<decltype(b), aya::unit>);
        CHECK(a == 1);
        CHECK(c == "text");
    });
}

TEST_CASE("gather: of void tasks only gives nothing") {
    everywhere([]() -> aya::task<> {
        co_await aya::gather(nothing(), nothing());
        std::vector<aya::task<>> some;
        for (int i = 0; i < 10; ++i)
            some.push_back(nothing());
        co_await aya::gather(std::move(some));
    });
}

TEST_CASE("gather: runs its tasks at the same time") {
    everywhere([]() -> aya::task<> {
        auto const start = aya::now();
        std::vector<aya::task<int>> some;
        for (int i = 0; i < 10; ++i)
            some.push_back(after(std::chrono::milliseconds(10 - i), i));
        std::vector<int> const results = co_await aya::gather(std::move(some));
        CHECK(aya::now() - start == 10ms);
        for (int i = 0; i < 10; ++i)
            CHECK(results[static_cast<std::size_t>(i)] == i);
    });
}

TEST_CASE("gather: results that only move, and other containers") {
    everywhere([]() -> aya::task<> {
        auto [p, q] = co_await aya::gather(owned(1), owned(2));
        CHECK(*p + *q == 3);
        std::list<aya::task<std::unique_ptr<int>>> some;
        some.push_back(owned(3));
        some.push_back(owned(4));
        auto const all = co_await aya::gather(std::move(some));
        CHECK(*all[0] + *all[1] == 7);
    });
}

TEST_CASE("gather: handles keep their results; an lvalue container is copied") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<int>> handles;
        for (int i = 0; i < 5; ++i)
            handles.push_back(aya::create_task(after(1ms, i)));
        std::vector<int> const results = co_await aya::gather(handles);
        CHECK(results.size() == 5);
        for (std::size_t i = 0; i < 5; ++i)
            CHECK(handles[i].result() == results[i]);
    });
}

TEST_CASE("gather: return_exceptions gives an outcome for each, tuple and range") {
    everywhere([]() -> aya::task<> {
        auto [good, bad] = co_await aya::gather(aya::return_exceptions, after(1ms, 1), fail());
        CHECK(good.value() == 1);
        CHECK_FALSE(bad.has_value());
        CHECK_FALSE(bad.cancelled());
        CHECK_THROWS_AS((void)bad.value(), std::runtime_error);
        std::vector<aya::task<int>> some;
        some.push_back(fail());
        some.push_back(after(1ms, 2));
        auto const all = co_await aya::gather(aya::return_exceptions, std::move(some));
        CHECK_FALSE(all[0].has_value());
        CHECK(all[1].value() == 2);
    });
}

TEST_CASE("gather: one that is dropped before it is awaited runs nothing") {
    everywhere([]() -> aya::task<> {
        bool ran = false;
        auto body = [&]() -> aya::task<> {
            ran = true;
            co_return;
        };
        {
            auto dropped = aya::gather(body(), body());
            (void)dropped;
        }
        co_await test::settle();
        CHECK_FALSE(ran);
    });
}

TEST_CASE("gather: an empty task among the others is refused, and none of them runs") {
    everywhere([]() -> aya::task<> {
        bool ran = false;
        auto body = [&]() -> aya::task<> {
            ran = true;
            co_return;
        };
        std::vector<aya::task<>> some;
        some.push_back(body());
        some.push_back(aya::task<>());
        some.push_back(body());
        bool threw = false;
        try {
            co_await aya::gather(std::move(some));
        } catch (aya::invalid_state_error const&) {
            threw = true;
        }
        CHECK(threw);
        co_await test::settle();
        CHECK_FALSE(ran);
    });
}

TEST_CASE("gather: an empty task among arguments is refused too, beside tasks and beside others") {
    everywhere([]() -> aya::task<> {
        int ran = 0;
        auto body = [](int& r) -> aya::task<int> { co_return ++r; };
        auto tasks = [](aya::task<int> a, aya::task<int> b) -> aya::task<> { (void)co_await aya::gather(std::move(a), std::move(b)); };
        CHECK(co_await test::throws<aya::invalid_state_error>(tasks(body(ran), aya::task<int>())));
        CHECK(co_await test::throws<aya::invalid_state_error>(tasks(aya::task<int>(), body(ran))));
        auto with_another = [](aya::task<int> a) -> aya::task<> {
            (void)co_await aya::gather(std::move(a), aya::gather(after(1ms, 1), after(1ms, 2)));
        };
        CHECK(co_await test::throws<aya::invalid_state_error>(with_another(aya::task<int>())));
        co_await test::settle();
        CHECK(ran == 0);
    });
}

TEST_CASE("gather: as a task of its own, and nested") {
    everywhere([]() -> aya::task<> {
        auto const handle = aya::create_task(aya::gather(after(2ms, 1), after(1ms, 2)));
        auto const [a, b] = co_await handle;
        CHECK(a + b == 3);
        auto [c, d] = co_await aya::gather(aya::gather(after(1ms, 1), after(1ms, 2)), after(2ms, 3));
        CHECK(std::get<0>(c) + std::get<1>(c) + d == 6);
    });
}

TEST_CASE("gather: ten thousand tasks") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task<int>> some;
        auto number = [](int i) -> aya::task<int> {
            co_await aya::yield();
            co_return i;
        };
        for (int i = 0; i < 10'000; ++i)
            some.push_back(number(i));
        std::vector<int> const results = co_await aya::gather(std::move(some));
        long sum = 0;
        for (int const r : results)
            sum += r;
        CHECK(sum == 49'995'000L);
    });
}

TEST_CASE("gather: a task that gathers for ever does not starve its sibling") {
    test::on_every_runtime([](aya::runtime& rt) {
        std::atomic<bool> sibling_ran{false};
        auto nothing = []() -> aya::task<> { co_return; };
        auto busy = [&]() -> aya::task<bool> {
            auto const limit = std::chrono::steady_clock::now() + 60s; // the sibling may be on a thread that has no CPU
            for (int i = 1; !sibling_ran.load() && (i % 1024 != 0 || std::chrono::steady_clock::now() < limit); ++i)
                co_await aya::gather(nothing());
            co_return sibling_ran.load();
        };
        auto sibling = [&]() -> aya::task<> {
            sibling_ran.store(true);
            co_return;
        };
        auto both = [&]() -> aya::task<bool> {
            auto const [in_time, none] = co_await aya::gather(busy(), sibling());
            (void)none;
            co_return in_time;
        };
        CHECK(rt.block_on(both));
    });
}

TEST_CASE("gather: while it starts its children, every sixteenth turn belongs to tasks that were woken") {
    // One worker, so that turns can be counted: each child ends its turn at once, and the rest of them is forked work.
    aya::runtime rt(test::kind{1}.options());
    constexpr int children = 1600;
    int started = 0, turns = 0;
    aya::event last;
    auto child = [&]() -> aya::task<> {
        if (++started == children)
            last.set();
        co_await last.wait();
    };
    auto sibling = [&]() -> aya::task<> {
        while (started < children) {
            co_await aya::yield();
            ++turns;
        }
    };
    auto main = [&]() -> aya::task<> {
        auto const h = aya::create_task(sibling);
        co_await aya::yield(); // it has its first turn
        std::vector<aya::task<>> all;
        for (int i = 0; i < children; ++i)
            all.push_back(child());
        co_await aya::gather(std::move(all));
        co_await h;
    };
    rt.block_on(main);
    CHECK(started == children);
    CHECK(turns >= children / 16);
}

TEST_CASE("every awaitable can be gathered, timed and scheduled, not only tasks") {
    test::everywhere([]() -> aya::task<> {
        aya::queue<std::unique_ptr<int>> q;
        aya::mutex m;
        aya::semaphore s(1);
        aya::event e;
        e.set();
        q.put_nowait(std::make_unique<int>(3));
        auto const seven = [] { return 7; };
        auto [item, guard, permit, none, value, slept] =
            co_await aya::gather(q.get(), m.lock(), s.acquire(), e.wait(), aya::to_thread(seven), aya::sleep(1ms));
        (void)none;
        (void)slept;
        CHECK(*item == 3);
        CHECK(value == 7);
        CHECK(m.locked());
        CHECK(s.locked());
        bool const too_late = co_await test::throws<aya::timeout_error>(aya::wait_for(q.get(), 1ms));
        CHECK(too_late);
        auto const later = aya::create_task(q.get());
        co_await q.put(std::make_unique<int>(4));
        auto const& got = co_await later;
        CHECK(*got == 4);
        co_await aya::wait_for(aya::yield(), 1s);
    });
}

TEST_CASE("gather: a parent that goes on because of children that never started knows who it is") {
    everywhere([]() -> aya::task<> {
        static aya::context_var<int> variable{1};
        auto parent = []() -> aya::task<bool> {
            variable.set(42);
            auto stubborn = [](aya::any_task_handle whole) -> aya::task<> {
                co_await aya::yield();
                whole.cancel();
                try {
                    co_await aya::sleep(1h);
                } catch (aya::cancelled_error const&) {
                }
                co_await aya::sleep(1ms);
            };
            aya::any_task_handle const self = aya::current_task();
            bool mine = false;
            try {
                co_await aya::gather(stubborn(self), nothing(), nothing());
            } catch (aya::cancelled_error const&) {
                mine = aya::current_task() == self && variable.get() == 42;
            }
            co_return mine;
        };
        auto const known = aya::create_task(parent());
        bool const mine = co_await known;
        CHECK(mine);
    });
}

TEST_CASE("gather: what the results of children that were left ask for as they go is no longer there") {
    everywhere([]() -> aya::task<> {
        struct asks {
            asks() = default;
            asks(asks&& other) noexcept : armed(std::exchange(other.armed, false)) {}
            ~asks() {
                if (armed)
                    try {
                        (void)aya::current_task();
                    } catch (aya::invalid_state_error const&) {
                    }
            }
            bool armed = true;
        };
        aya::event left;
        auto slow = [](aya::event* e) -> aya::task<asks> {
            co_await e->wait();
            co_return asks();
        };
        auto failing = []() -> aya::task<asks> {
            co_await aya::yield();
            throw std::runtime_error("no");
        };
        bool const failed = co_await test::throws<std::runtime_error>([&]() -> aya::task<> { (void)co_await aya::gather(slow(&left), failing()); }());
        CHECK(failed);
        left.set();
        co_await aya::sleep(1ms); // and the runtime ends
    });
}
