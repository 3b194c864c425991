// SPDX-License-Identifier: Apache-2.0
// What a program must not do is answered by an exception, on every kind of runtime, and nothing is lost by it. test/wrong_use has what the
// compiler answers.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

aya::task<int> seven() { co_return 7; }
aya::task<> nothing() { co_return; }

aya::task<> gather_one(aya::task_handle<> h) { co_await aya::gather(std::vector(1, h)); }

} // namespace

TEST_CASE("wrong use: awaiting a task that was moved from, or has run") {
    everywhere([]() -> aya::task<> {
        auto t = seven();
        auto moved = std::move(t);
        bool const empty = co_await test::throws<aya::invalid_state_error>(std::move(t));
        CHECK(empty);
        int const value = co_await std::move(moved);
        CHECK(value == 7);
        bool const again = co_await test::throws<aya::invalid_state_error>(std::move(moved));
        CHECK(again);
        CHECK_THROWS_AS((void)aya::create_task(std::move(moved)), aya::invalid_state_error);
        auto h = aya::create_task(seven());
        int const taken = co_await std::move(h);
        CHECK(taken == 7);
        CHECK_THROWS_AS((void)h.result(), aya::invalid_state_error); // an empty handle
        CHECK_THROWS_AS((void)h.cancel(), aya::invalid_state_error);
    });
}

TEST_CASE("wrong use: result() and exception() before the end; a value set twice") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(test::forever);
        CHECK_THROWS_AS(h.result(), aya::invalid_state_error);
        CHECK_THROWS_AS((void)h.exception(), aya::invalid_state_error);
        h.cancel();
        aya::promise<int> const p;
        CHECK_THROWS_AS((void)p.get_future().result(), aya::invalid_state_error);
        p.set_value(1);
        CHECK_THROWS_AS(p.set_value(2), aya::invalid_state_error);
        CHECK_THROWS_AS(p.set_exception(std::make_exception_ptr(1)), aya::invalid_state_error);
        CHECK(p.get_future().result() == 1);
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
    });
}

TEST_CASE("wrong use: given back too often: items of a queue, permits, a mutex") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> items;
        items.put_nowait(1);
        CHECK(items.get_nowait() == 1);
        items.task_done();
        CHECK_THROWS_AS(items.task_done(), aya::invalid_state_error);
        aya::bounded_semaphore limited(1);
        CHECK_THROWS_AS(limited.release(), aya::invalid_state_error);
        CHECK_FALSE(limited.locked());
        aya::mutex m;
        CHECK_THROWS_AS(m.unlock(), aya::invalid_state_error);
        auto guard = co_await m.lock();
        guard.unlock();
        CHECK_THROWS_AS(guard.unlock(), aya::invalid_state_error); // it does not own the mutex any more
        auto other = co_await m.lock();
        CHECK(m.locked());
    });
}

TEST_CASE("wrong use: negative and impossible sizes") {
    everywhere([]() -> aya::task<> {
        CHECK_THROWS_AS(aya::semaphore(-1), std::invalid_argument);
        CHECK_THROWS_AS(aya::bounded_semaphore(-1), std::invalid_argument);
        CHECK_THROWS_AS(aya::barrier(0), std::invalid_argument);
        CHECK_THROWS_AS(aya::barrier(-3), std::invalid_argument);
        CHECK_THROWS_AS((void)aya::max_concurrency(0), std::invalid_argument);
        CHECK_THROWS_AS(aya::runtime(aya::runtime_options{.workers = 5000}), std::invalid_argument);
        CHECK_THROWS_AS((void)aya::wait(std::vector<aya::task_handle<>>()), std::invalid_argument);
        aya::queue<int> unlimited(-1); // as in asyncio
        for (int i = 0; i < 1000; ++i)
            unlimited.put_nowait(i);
        CHECK_FALSE(unlimited.full());
        co_return;
    });
}

TEST_CASE("wrong use: negative durations are over at once; NaN is refused") {
    everywhere([]() -> aya::task<> {
        aya::time_point const begin = aya::now();
        co_await aya::sleep(-1h);
        bool const late = co_await test::throws<aya::timeout_error>(aya::timeout(-1h, test::forever));
        CHECK(late);
        bool const no_time = co_await test::throws<aya::timeout_error>(aya::wait_for(test::forever(), -1s));
        CHECK(no_time);
        std::atomic<bool> called = false;
        (void)aya::call_later(-1s, [&] { called = true; });
        std::vector handles(1, aya::create_task(test::forever));
        aya::wait_options const impatient{.timeout = -1s};
        auto const result = co_await aya::wait(handles, impatient);
        CHECK(result.pending.size() == 1);
        CHECK(aya::now() - begin < 1s);
        handles[0].cancel();
        std::chrono::duration<double> const nan(std::numeric_limits<double>::quiet_NaN());
        CHECK_THROWS_AS((void)aya::sleep(nan), std::invalid_argument);
        CHECK_THROWS_AS((void)aya::timeout(nan, nothing), std::invalid_argument);
        co_await test::settle();
        CHECK(called);
    });
}

TEST_CASE("wrong use: a task that awaits itself, or a circle of tasks that is cancelled") {
    everywhere([]() -> aya::task<> {
        aya::task_handle<> self;
        aya::event ready;
        auto await_self = [](aya::task_handle<>* h, aya::event* go) -> aya::task<bool> {
            co_await go->wait();
            co_return co_await test::throws<aya::invalid_state_error>(*h);
        };
        auto body = [&]() -> aya::task<> {
            bool const told = co_await await_self(&self, &ready);
            CHECK(told);
        };
        self = aya::create_task(body);
        ready.set();
        co_await self;

        // Two tasks that await each other: no error tells of it, but cancelling one ends both.
        aya::task_handle<> first, second;
        aya::event both;
        auto await_other = [](aya::task_handle<>* other, aya::event* go) -> aya::task<> {
            co_await go->wait();
            co_await *other;
        };
        first = aya::create_task(await_other, &second, &both);
        second = aya::create_task(await_other, &first, &both);
        both.set();
        co_await test::settle();
        first.cancel();
        bool const over = co_await test::throws<aya::cancelled_error>(first);
        CHECK(over);
        bool const other_over = co_await test::throws<aya::cancelled_error>(second);
        CHECK(other_over);
    });
}

TEST_CASE("wrong use: a task that cancels itself is told at its next suspension, and may go on until then") {
    everywhere([]() -> aya::task<> {
        int steps = 0;
        auto body = [&]() -> aya::task<> {
            aya::current_task().cancel();
            ++steps;
            co_await aya::yield();
            ++steps;
        };
        auto const h = aya::create_task(body);
        bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
        CHECK(cancelled);
        CHECK(steps == 1);
    });
}

TEST_CASE("wrong use: a task of another runtime") {
    aya::runtime other({.workers = 1});
    auto const foreign = other.spawn(test::forever);
    test::on_every_runtime([&](aya::runtime& rt) {
        rt.block_on([](aya::task_handle<> h) -> aya::task<> {
            bool const awaited = co_await test::throws<std::invalid_argument>(h);
            CHECK(awaited);
            bool const gathered = co_await test::throws<std::invalid_argument>(gather_one(h));
            CHECK(gathered);
            std::vector<aya::task_handle<>> const among{h};
            bool const bounded = co_await test::throws<std::invalid_argument>(aya::gather(aya::max_concurrency{2}, among));
            CHECK(bounded);
        }, foreign);
        CHECK_THROWS_AS(rt.wait(foreign), std::invalid_argument);
    });
    foreign.cancel();
}

TEST_CASE("wrong use: outside every runtime") {
    aya::mutex m;
    aya::queue<int> items(1);
    aya::event happened;
    aya::semaphore permits(1);
    // What does not wait works anywhere.
    happened.set();
    items.put_nowait(1);
    CHECK(m.try_lock());
    m.unlock();
    CHECK(permits.try_acquire());
    permits.release();
    // What needs a task says so.
    CHECK_THROWS_AS((void)aya::create_task(nothing()), aya::invalid_state_error);
    CHECK_THROWS_AS((void)aya::current_task(), aya::invalid_state_error);
    CHECK_THROWS_AS((void)aya::all_tasks(), aya::invalid_state_error);
    CHECK_THROWS_AS((void)aya::call_soon([] {}), aya::invalid_state_error);
    CHECK_THROWS_AS((void)aya::shield(seven()), aya::invalid_state_error);
}

TEST_CASE("wrong use: run(), block_on() and wait() inside a task") {
    test::on_every_runtime([](aya::runtime& rt) {
        rt.block_on([](aya::runtime* own) -> aya::task<> {
            CHECK_THROWS_AS(aya::run(nothing()), aya::invalid_state_error);
            CHECK_THROWS_AS(own->block_on(nothing()), aya::invalid_state_error);
            auto const h = aya::create_task(nothing);
            CHECK_THROWS_AS(own->wait(h), aya::invalid_state_error);
            aya::runtime another({.workers = 1});
            CHECK_THROWS_AS(another.block_on(nothing()), aya::invalid_state_error);
            co_await h;
        }, &rt);
    });
}

TEST_CASE("wrong use: a task that blocks its worker: the other workers take what it has started") {
    for (std::size_t const workers : {std::size_t{2}, std::size_t{8}}) {
        CAPTURE(workers);
        aya::runtime rt(test::kind{workers}.options());
        auto blocks = []() -> aya::task<bool> {
            std::atomic<int> ended{0};
            auto child = [](std::atomic<int>* count) -> aya::task<> {
                co_await aya::yield();
                count->fetch_add(1);
            };
            std::vector<aya::task_handle<>> children;
            for (int i = 0; i < 20; ++i)
                children.push_back(aya::create_task(child, &ended));
            bool const all = test::eventually_outside([&] { return ended.load() == 20; }); // without a co_await
            co_await aya::gather(children);
            co_return all;
        };
        CHECK(rt.block_on(blocks));
    }
}
