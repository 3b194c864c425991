// SPDX-License-Identifier: Apache-2.0
// The contract's section 16: context variables.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

aya::context_var<int> number(0);

aya::task<int> read_number() { co_return number.get(); }
aya::task<int> change(int to) {
    number.set(to);
    co_await aya::yield();
    co_return number.get();
}

} // namespace

TEST_CASE("V1: a task begins with its creator's values; what either changes later, the other does not see") {
    everywhere([]() -> aya::task<> {
        number.set(1);
        aya::event go;
        auto wait_and_read = [&]() -> aya::task<int> {
            co_await go.wait();
            co_return number.get();
        };
        auto const before = aya::create_task(wait_and_read);
        number.set(2);
        auto const after = aya::create_task(wait_and_read);
        auto const changer = aya::create_task(change(3));
        int const changed = co_await changer;
        CHECK(changed == 3);
        CHECK(number.get() == 2);
        go.set();
        int const first = co_await before;
        int const second = co_await after;
        CHECK(first == 1);
        CHECK(second == 2);
    });
}

TEST_CASE("V1: so do the children of a gather and of a task group; an awaited coroutine shares its caller's values") {
    everywhere([]() -> aya::task<> {
        number.set(5);
        auto const [a, b, c] = co_await aya::gather(read_number(), change(6), read_number());
        CHECK(a == 5);
        CHECK(b == 6);
        CHECK(c == 5);
        CHECK(number.get() == 5);
        auto body = [](aya::task_group& tg) -> aya::task<int> {
            auto const child = tg.create_task(change(7));
            auto const reader = tg.create_task(read_number());
            co_await child;
            co_return co_await reader;
        };
        int const in_group = co_await aya::with_task_group(body);
        CHECK(in_group == 5);
        (void)co_await change(8);
        CHECK(number.get() == 8);
        int const timed = co_await aya::timeout(1s, change, 9);
        CHECK(timed == 9);
        CHECK(number.get() == 9);
    });
}

TEST_CASE("V1: a run begins with the values of its thread") {
    number.set(11);
    test::on_every_runtime([](aya::runtime& rt) {
        CHECK(rt.block_on(read_number) == 11);
        CHECK(rt.block_on(change, 12) == 12);
        CHECK(number.get() == 11);
    });
    number.set(0);
}

TEST_CASE("V4: a task's changes survive its suspensions and go with it from worker to worker") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto wander = [](int mine) -> aya::task<bool> {
            bool kept = true;
            for (int i = 0; i < 200; ++i) {
                number.set(mine + i);
                co_await aya::yield();
                kept = kept && number.get() == mine + i;
            }
            co_return kept;
        };
        auto all = [&]() -> aya::task<> {
            std::vector<aya::task<bool>> tasks;
            for (int i = 0; i < 16; ++i)
                tasks.push_back(wander(1000 * i));
            auto const kept = co_await aya::gather(std::move(tasks));
            for (bool const k : kept)
                CHECK(k);
        };
        rt.block_on(all);
    });
}

TEST_CASE("X1: to_thread gives its call a copy of the caller's values; to_cpu does not") {
    everywhere([]() -> aya::task<> {
        number.set(3);
        auto work = [] {
            int const found = number.get();
            number.set(4);
            return 10 * found + number.get();
        };
        int const in_thread = co_await aya::to_thread(work);
        CHECK(in_thread == 34);
        CHECK(number.get() == 3);
        int const again = co_await aya::to_thread(work); // maybe on the same thread
        CHECK(again == 34);
        int const in_cpu = co_await aya::to_cpu([] { return number.get(); });
        CHECK(in_cpu == 0);
    });
}

TEST_CASE("V2: a task made with a context runs in it, and what it sets stays there for the next; its creator sees none of it") {
    everywhere([]() -> aya::task<> {
        (void)number.set(1);
        aya::context const shared = aya::copy_context();
        auto add = [](int n) -> aya::task<int> {
            int const before = number.get();
            co_await aya::yield();
            (void)number.set(number.get() + n);
            co_return before;
        };
        aya::create_task_options const in_shared{.context = &shared};
        int const first = co_await aya::create_task(in_shared, add, 10);
        int const second = co_await aya::create_task(in_shared, add, 100);
        CHECK(first == 1);
        CHECK(second == 11);
        CHECK(number.get() == 1);
        CHECK(shared.run([] { return number.get(); }) == 111);
        aya::context const copied = shared.copy();
        shared.run([] { (void)number.set(5); });
        CHECK(copied.run([] { return number.get(); }) == 111);
        int const third = co_await aya::create_task(in_shared, add, 1); // a task of a task in it has a copy
        CHECK(third == 5);
    });
}

TEST_CASE("V2: tasks that run at the same time may share a context: each set and get is atomic") {
    everywhere([]() -> aya::task<> {
        aya::context const shared;
        aya::create_task_options const in_shared{.context = &shared};
        auto write = [](int n) -> aya::task<> {
            for (int i = 0; i < 200; ++i) {
                (void)number.set(n);
                int const seen = number.get();
                CHECK((seen == 1 || seen == 2));
                if (i % 20 == 0)
                    co_await aya::yield();
            }
        };
        auto const a = aya::create_task(in_shared, write, 1);
        auto const b = aya::create_task(in_shared, write, 2);
        co_await a;
        co_await b;
    });
}

TEST_CASE("V2: a task made in a context passes a copy on") {
    everywhere([]() -> aya::task<> {
        aya::context const shared;
        auto parent = []() -> aya::task<int> {
            (void)number.set(1);
            auto child = []() -> aya::task<> {
                (void)number.set(2);
                co_return;
            };
            co_await aya::create_task(child);
            std::vector<aya::task<>> children;
            children.push_back(child());
            children.push_back(child());
            co_await aya::gather(std::move(children));
            co_return number.get();
        };
        int const seen = co_await aya::create_task({.context = &shared}, parent);
        CHECK(seen == 1);
    });
}

TEST_CASE("F8, V3: a callback has the values of when it was added, or the context it is given") {
    everywhere([]() -> aya::task<> {
        aya::context const other;
        other.run([] { (void)number.set(50); });
        int soon = 0, later = 0, done = 0, given = 0;
        aya::promise<> const p;
        (void)number.set(1);
        (void)aya::call_soon([&] {
            soon = number.get();
            (void)number.set(9); // seen by nobody else
        });
        (void)number.set(2);
        (void)aya::call_later(1ms, [&] { later = number.get(); });
        (void)number.set(3);
        (void)p.get_future().add_done_callback([&] { done = number.get(); });
        (void)aya::call_soon(aya::in_context(other, [&] { given = number.get(); }));
        (void)number.set(4);
        p.set_value();
        co_await aya::sleep(10ms);
        CHECK(soon == 1);
        CHECK(later == 2);
        CHECK(done == 3);
        CHECK(given == 50);
        CHECK(number.get() == 4);
    });
}

TEST_CASE("D3: the exception handler runs with the values of what failed") {
    std::vector<int> seen;
    std::mutex guard;
    auto const handler = [&](aya::exception_report const&) {
        std::lock_guard const hold(guard);
        seen.push_back(number.get(-1));
    };
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            seen.clear();
            rt.block_on([]() -> aya::task<> {
                auto fail = []() -> aya::task<> {
                    (void)number.set(7);
                    throw std::runtime_error("expected");
                    co_return;
                };
                (void)number.set(1);
                {
                    auto const h = aya::create_task(fail);
                    std::vector handles(1, h);
                    (void)co_await aya::wait(std::move(handles));
                    (void)number.set(2);
                }
                co_await test::settle(); // the task's own reference goes after it has told of its end
                (void)aya::call_soon([] {
                    (void)number.set(8);
                    throw std::runtime_error("expected");
                });
                co_await test::settle();
            });
            std::lock_guard const hold(guard);
            CHECK(seen == std::vector{7, 8});
        },
        {.virtual_time = true, .exception_handler = handler});
}

TEST_CASE("EG3: an eager task has a copy of its creator's values") {
    everywhere([]() -> aya::task<> {
        (void)number.set(1);
        // What the eager part sees has a variable of its own: the rest may run on another worker at once.
        struct seen_values {
            int eagerly = 0;
            int later = 0;
        } seen;
        auto eager = [](seen_values* values) -> aya::task<> {
            values->eagerly = number.get();
            (void)number.set(2);
            co_await aya::yield();
            values->later = number.get();
        };
        auto const h = aya::create_task({.eager_start = true}, eager, &seen);
        CHECK(seen.eagerly == 1);
        CHECK(number.get() == 1);
        co_await h;
        CHECK(seen.later == 2);
    });
}
