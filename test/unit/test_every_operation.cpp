// SPDX-License-Identifier: Apache-2.0
// Every operation goes through wait_for(), timeout(), gather(), create_task() and a task group.
#include "support/harness.hpp"
#include "support/number.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using test::everywhere;
using test::number;
using namespace std::chrono_literals;

namespace {

aya::task<std::unique_ptr<int>> pointer(int i) {
    co_await aya::yield();
    co_return std::make_unique<int>(i);
}

template <class Make>
aya::task<> in_group(aya::task_group& group, Make make) {
    (void)group.create_task(make());
    co_return;
}

// Each time anew; a `make` may be called five times.
template <class Make>
aya::task<> each_way(Make make) {
    using operation = decltype(make());
    static_assert(aya::joinable<operation> && std::is_nothrow_move_constructible_v<operation>);
    (void)co_await aya::wait_for(make(), 1s);
    (void)co_await aya::timeout(1s, make());
    if constexpr (std::is_void_v<aya::result_of<operation>>)
        co_await aya::gather(make());
    else
        (void)co_await aya::gather(make());
    {
        auto const h = aya::create_task(make()); // has the result, a lock perhaps, as long as it is there
        co_await aya::wait(std::vector(1, h));
        CHECK(h.exception() == nullptr);
    }
    co_await aya::with_task_group([](aya::task_group& group, Make m) { return in_group(group, m); }, make);
    co_await test::settle(); // the group's child goes after it has told of its end, and its result, a lock perhaps, with it
}

aya::async_generator<int> count() {
    for (int i = 0;; ++i)
        co_yield i;
}

} // namespace

TEST_CASE("every operation: of the queues") {
    everywhere([]() -> aya::task<> {
        aya::queue<std::string> q;
        co_await each_way([&] { return q.put("item"); });
        CHECK(q.size() == 5);
        co_await each_way([&] { return q.get(); });
        CHECK(q.empty());
        for (int i = 0; i < 5; ++i)
            q.task_done();
        co_await each_way([&] { return q.join(); });
        aya::lifo_queue<std::unique_ptr<int>> lifo;
        co_await each_way([&] { return lifo.put(std::make_unique<int>(1)); });
        co_await each_way([&] { return lifo.get(); });
        aya::priority_queue<int> priority;
        co_await each_way([&] { return priority.put(1); });
        co_await each_way([&] { return priority.get(); });
    });
}

TEST_CASE("every operation: a put that waits is timed, and its item kept until there is room") {
    everywhere([]() -> aya::task<> {
        aya::queue<std::string> q(1);
        q.put_nowait("first");
        bool const late = co_await test::throws<aya::timeout_error>(aya::wait_for(q.put("never"), 1ms));
        CHECK(late);
        auto const putting = aya::create_task(q.put("second"));
        co_await test::settle();
        CHECK(q.get_nowait() == "first");
        co_await putting;
        CHECK(q.get_nowait() == "second");
    });
}

TEST_CASE("every operation: of the primitives") {
    everywhere([]() -> aya::task<> {
        aya::event e;
        e.set();
        co_await each_way([&] { return e.wait(); });
        aya::mutex m;
        co_await each_way([&] { return m.lock(); });
        aya::semaphore s;
        co_await each_way([&] { return s.acquire(); });
        aya::bounded_semaphore b;
        co_await each_way([&] { return b.acquire(); });
        aya::barrier one(1);
        co_await each_way([&] { return one.wait(); });
    });
}

TEST_CASE("every operation: a condition may be waited for within a time, and the mutex is held after it") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        aya::condition_variable changed(m);
        auto const guard = co_await m.lock();
        bool const late = co_await test::throws<aya::timeout_error>(aya::wait_for(changed.wait(guard), 1ms));
        CHECK(late);
        CHECK(m.locked());
        auto const other = aya::create_task([](aya::mutex* mutex, aya::condition_variable* c) -> aya::task<> {
            auto const held = co_await mutex->lock();
            c->notify();
        }, &m, &changed);
        co_await aya::timeout(1s, changed.wait(guard));
        CHECK(m.locked());
        co_await other;
    });
}

TEST_CASE("every operation: of time, of tasks, and of other threads") {
    everywhere([]() -> aya::task<> {
        co_await each_way([] { return aya::sleep(1ms); });
        co_await each_way([] { return aya::sleep(1ms, std::string("value")); });
        co_await each_way([] { return aya::yield(); });
        co_await each_way([] { return aya::gather(number(1), number(2)); });
        co_await each_way([] { return aya::gather(aya::create_task(number(1))); });
        co_await each_way([] { return aya::wait_for(number(1), 1s); });
        co_await each_way([] { return aya::shield(number(1)); });
        co_await each_way([] { return aya::wait(std::vector(1, aya::create_task(number(1)))); });
        co_await each_way([] { return aya::to_thread([] { return 1; }); });
        co_await each_way([] { return aya::to_cpu([] {}); });
        auto numbers = count();
        co_await each_way([&] { return numbers.next(); });
        std::vector<aya::task<int>> tasks;
        for (int i = 0; i < 5; ++i)
            tasks.push_back(number(i));
        auto completed = aya::as_completed(std::move(tasks));
        co_await each_way([&] { return completed.next(); });
        auto const none = co_await aya::wait_for(completed.next(), 1s);
        CHECK_FALSE(none);
    });
}

TEST_CASE("every operation: the next value, and the next task, within a time") {
    everywhere([]() -> aya::task<> {
        auto slow = []() -> aya::async_generator<int> {
            co_yield 1;
            co_await aya::sleep(1h);
            co_yield 2;
        }();
        std::optional<int> const first = co_await aya::wait_for(slow.next(), 1s);
        CHECK(first == 1);
        bool const late = co_await test::throws<aya::timeout_error>(aya::wait_for(slow.next(), 1s));
        CHECK(late);
        auto const running = aya::create_task(test::forever());
        auto completed = aya::as_completed(std::vector(1, running));
        bool const none = co_await test::throws<aya::timeout_error>(aya::wait_for(completed.next(), 1s));
        CHECK(none);
        running.cancel();
        auto const ended = co_await aya::timeout(1s, completed.next());
        CHECK(ended == running);
    });
}

TEST_CASE("every operation: futures go where handles go") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> p, other;
        std::vector<aya::future<int>> futures{p.get_future(), other.get_future(), p.get_future()};
        p.set_value(4);
        auto const result = co_await aya::wait(futures, {.return_when = aya::first_completed});
        REQUIRE(result.done.size() == 1);
        CHECK(result.done[0] == futures[0]);
        CHECK(result.done[0].result() == 4);
        REQUIRE(result.pending.size() == 1);
        CHECK(result.pending[0] == futures[1]);
        auto completed = aya::as_completed(futures);
        auto const first = co_await completed.next();
        CHECK(first == futures[0]);
        other.set_value(5);
        auto const second = co_await completed.next();
        CHECK(second.result() == 5);
        aya::future<int> const f = p.get_future();
        int const timed = co_await aya::wait_for(f, 1s);
        CHECK(timed == 4);
        int const within = co_await aya::timeout(1s, f);
        CHECK(within == 4);
        int const shielded = co_await aya::shield(f);
        CHECK(shielded == 4);
    });
}

TEST_CASE("every operation: results that only move, references, and exceptions as values") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(pointer(1));
        std::unique_ptr<int> const first = co_await aya::wait_for(h, 1s);
        CHECK(*first == 1);
        auto const h2 = aya::create_task(pointer(2));
        std::unique_ptr<int> const second = co_await aya::timeout(1s, h2);
        CHECK(*second == 2);

        static int there;
        auto reference = [](int value) -> aya::task<int&> {
            co_await aya::yield();
            there = value;
            co_return there;
        };
        auto [one] = co_await aya::gather(reference(3));
        static_assert(std::is_same_v<decltype(one), int&>);
        CHECK(&one == &there);
        auto [two] = co_await aya::gather(aya::return_exceptions, reference(4));
        CHECK(&two.value().get() == &there);
        std::vector<aya::task<int&>> tasks;
        tasks.push_back(reference(5));
        auto const all = co_await aya::gather(std::move(tasks));
        CHECK(&all.at(0).get() == &there);

        auto as_value = []() -> aya::task<std::exception_ptr> { co_return nullptr; };
        auto [error] = co_await aya::gather(aya::return_exceptions, as_value());
        CHECK(error.has_value());
        CHECK(error.value() == nullptr);
        auto failing = []() -> aya::task<std::exception_ptr> {
            throw std::runtime_error("no");
            co_return nullptr;
        };
        auto [failed] = co_await aya::gather(aya::return_exceptions, failing());
        CHECK_FALSE(failed.has_value());
        CHECK(failed.exception() != nullptr);
    });
}
