// SPDX-License-Identifier: Apache-2.0
// Section IN of the contract: who waits for whom.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using test::everywhere;
using test::settle;
using namespace std::chrono_literals;

namespace {

aya::task<> await_one(aya::task_handle<> h) { co_await h; }
aya::task<> await_shielded(aya::task_handle<> h) { co_await aya::shield(h); }
aya::task<> await_gathered(aya::task_handle<> h) { (void)co_await aya::gather(h); }
aya::task<> await_all(aya::task_handle<> h) {
    std::vector handles(1, h);
    (void)co_await aya::wait(std::move(handles));
}
aya::task<> await_completed(aya::task_handle<> h) {
    std::vector handles(1, h);
    auto completed = aya::as_completed(std::move(handles));
    (void)co_await completed.next();
}
aya::task<> await_group(std::string* child) {
    co_await aya::with_task_group([](aya::task_group& g, std::string* name) -> aya::task<> {
        *name = g.create_task(test::forever).name();
        co_return;
    }, child);
}

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

std::vector<std::string> awaiters_of(std::string const& name) {
    std::vector<std::string> names;
    auto const tree = aya::capture_tasks();
    for (aya::task_info const& t : tree.tasks)
        for (aya::task_info const& waiter : tree.tasks)
            if (t.name == name && std::find(waiter.awaits.begin(), waiter.awaits.end(), t.id) != waiter.awaits.end())
                names.push_back(waiter.name);
    return names;
}

} // namespace

TEST_CASE("IN1: capture_call_graph gives a task, its stack, and recursively who waits for it; format_call_graph renders it") {
    everywhere([]() -> aya::task<> {
        auto const inner = aya::create_task(test::forever(), {.name = "inner"});
        auto const middle = aya::create_task(await_one(inner), {.name = "middle"});
        auto const outer = aya::create_task(await_one(middle), {.name = "outer"});
        co_await settle();
        aya::call_graph const graph = aya::capture_call_graph(inner);
        CHECK(graph.task.stack.size() == 1);
        REQUIRE(graph.awaited_by.size() == 1);
        CHECK(graph.awaited_by[0].task.name == "middle");
        REQUIRE(graph.awaited_by[0].awaited_by.size() == 1);
        CHECK(graph.awaited_by[0].awaited_by[0].task.name == "outer");
        std::string const text = aya::format_call_graph(graph);
        CHECK(text.starts_with("inner (#"));
        CHECK(contains(text, "\n  awaited by\n    middle (#"));
        CHECK(contains(text, "\n      awaited by\n        outer (#"));
        aya::call_graph const own = co_await aya::capture_call_graph();
        CHECK(own.task.id != 0);
        CHECK(own.awaited_by.empty());
        outer.cancel();
        bool const over = co_await test::throws<aya::cancelled_error>(outer);
        CHECK(over);
    });
    aya::any_task_handle const none;
    CHECK_THROWS_AS((void)aya::capture_call_graph(none), aya::invalid_state_error); // outside a runtime
}

TEST_CASE("IN2: await, gather, wait, shield, as_completed and task groups show whom they wait for, as long as they do") {
    everywhere([]() -> aya::task<> {
        for (auto const body : {await_one, await_shielded, await_gathered, await_all, await_completed}) {
            auto const inner = aya::create_task(test::forever(), {.name = "inner"});
            auto const outer = aya::create_task(body(inner), {.name = "outer"});
            co_await settle();
            CHECK(awaiters_of("inner") == std::vector<std::string>{"outer"});
            inner.cancel();
            std::vector handles(1, outer);
            (void)co_await aya::wait(std::move(handles));
            CHECK(awaiters_of("inner").empty());
        }
        std::string child;
        auto const group = aya::create_task(await_group(&child), {.name = "group"});
        co_await settle();
        CHECK(awaiters_of(child) == std::vector<std::string>{"group"});
        group.cancel();
        std::vector handles(1, group);
        (void)co_await aya::wait(std::move(handles));
    });
}

TEST_CASE("IN3: a circle of awaits is written as what it is") {
    everywhere([]() -> aya::task<> {
        aya::task_handle<> first;
        aya::event go;
        auto await_later = [](aya::event* e, aya::task_handle<>* h) -> aya::task<> {
            co_await e->wait();
            co_await *h;
        };
        auto const other = aya::create_task(await_later(&go, &first), {.name = "other"});
        first = aya::create_task(await_one(other), {.name = "first"});
        go.set();
        co_await settle();
        std::string const text = aya::capture_tasks().text();
        CHECK(contains(text, "tasks that wait for each other in a circle:\n"));
        CHECK(contains(text, ", see above\n"));
        first.cancel();
        std::vector<aya::task_handle<>> both{first, other};
        (void)co_await aya::wait(std::move(both));
    });
}

TEST_CASE("IN4: who looks does not disturb: tasks come, wait, are cancelled and end as ever") {
    test::on_every_runtime([](aya::runtime& rt) {
        std::atomic<bool> over = false;
        std::atomic<std::size_t> looks = 0;
        test::thread_crew crew;
        for (int i = 0; i < 2; ++i)
            crew.add([&] {
                do {
                    aya::task_tree const tree = aya::capture_tasks(rt);
                    looks.fetch_add(tree.text().empty() || tree.json().empty() ? 0 : 1);
                } while (!over.load());
            });
        auto busy = [](std::atomic<std::size_t>* seen) -> aya::task<int> {
            auto leaf = [](int n) -> aya::task<int> {
                co_await aya::sleep(std::chrono::microseconds(n));
                co_return n;
            };
            int sum = 0;
            test::stress_clock const clock;
            do {
                auto [a, b, c] = co_await aya::gather(leaf(1), leaf(2), leaf(3));
                sum += a + b + c - 6;
                aya::queue<int> q(1);
                auto const getter = aya::create_task([](aya::queue<int>* from) -> aya::task<> {
                    for (;;)
                        (void)co_await from->get();
                }, &q);
                co_await q.put(1);
                co_await q.put(2);
                getter.cancel();
                bool const cancelled = co_await test::throws<aya::cancelled_error>(getter);
                sum += cancelled ? 0 : 1;
            } while (clock.running() || seen->load() < 10);
            co_return sum;
        };
        CHECK(rt.block_on(busy, &looks) == 0);
        over.store(true);
        crew.join();
    });
}
