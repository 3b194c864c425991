// SPDX-License-Identifier: Apache-2.0
// Sections 14 and 15 of the contract: Runner and run_coroutine_threadsafe.
#include "support/harness.hpp"

#include <aya/aya.hpp>
#include <aya/std_future.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <stdexcept>

using namespace std::chrono_literals;

namespace {

aya::task<int> number(int n) { co_return n; }

aya::task<> fail() {
    throw std::runtime_error("bad");
    co_return;
}

/// Keeps some thread in the runtime, as an event loop needs it.
class driver {
public:
    explicit driver(aya::runtime& rt) : stop_(rt) {
        crew_.add([&rt, end = stop_.get_future()] { rt.block_on([](aya::future<> f) -> aya::task<> { co_await f; }, end); });
    }
    ~driver() { stop_.set_value(); }

private:
    test::thread_crew crew_; // joined after the promise was set
    aya::promise<> stop_;
};

} // namespace

TEST_CASE("R12: several mains share one runtime, and what one leaves is there for the next") {
    for (std::size_t const workers : test::every_kind) {
        aya::runner r(test::kind{workers}.options());
        aya::task_handle<> left;
        auto first = [&]() -> aya::task<int> {
            left = aya::create_task(test::forever);
            co_return 1;
        };
        CHECK(r.run(first) == 1);
        CHECK_FALSE(left.done());
        auto second = [&]() -> aya::task<bool> {
            auto const all = aya::all_tasks();
            co_return all.size() == 2 && !left.done();
        };
        CHECK(r.run(second));
        if (workers == 0) // with workers, the last one to let go of the exception may be one of them, which ThreadSanitizer cannot order
            CHECK_THROWS_AS(r.run(fail()), std::runtime_error);
        CHECK(r.run(number(3)) == 3);
        r.close();
        CHECK(left.cancelled());
    }
}

TEST_CASE("R12: the mains of a runner share a context, which begins as a copy of the thread's") {
    static aya::context_var<int> setting(0);
    auto const outer = setting.set(1);
    auto change = [](int to) -> aya::task<int> {
        co_await aya::yield();
        int const before = setting.get();
        (void)setting.set(to);
        co_return before;
    };
    for (std::size_t const workers : test::every_kind) {
        aya::runner r(test::kind{workers}.options());
        CHECK(r.run(change, 2) == 1);
        CHECK(r.run(change, 3) == 2);
        CHECK(setting.get() == 1);
    }
    setting.set(0);
    (void)outer;
}

TEST_CASE("R13: close is idempotent; a closed runner runs nothing; a nested run is refused") {
    for (std::size_t const workers : test::every_kind) {
        aya::runner r(test::kind{workers}.options());
        auto nested = [&]() -> aya::task<bool> {
            try {
                (void)r.run(number(1));
            } catch (aya::invalid_state_error const&) {
                co_return true;
            }
            co_return false;
        };
        CHECK(r.run(nested));
        r.close();
        r.close();
        CHECK_THROWS_AS((void)r.run(number(1)), aya::invalid_state_error);
        CHECK_THROWS_AS((void)r.get_runtime(), aya::invalid_state_error);
    }
}

TEST_CASE("X11: run_coroutine_threadsafe gives result and exception to a blocking thread, and cancels the task") {
    test::on_every_runtime([](aya::runtime& rt) {
        driver const running(rt);
        auto const value = aya::run_coroutine_threadsafe(rt, number, 5);
        CHECK(value.get() == 5);
        CHECK(value.get() == 5);
        CHECK(value.done());
        auto const failed = aya::run_coroutine_threadsafe(rt, fail());
        CHECK_THROWS_AS(failed.get(), std::runtime_error);
        CHECK(failed.exception() != nullptr);
        auto const endless = aya::run_coroutine_threadsafe(rt, test::forever);
        CHECK_FALSE(endless.wait_for(1ms));
        CHECK_THROWS_AS(endless.get(0ms), aya::timeout_error);
        CHECK(endless.handle().cancelling() == 0); // a timeout cancels nothing
        CHECK_FALSE(endless.done());
        CHECK(endless.cancel());
        CHECK_THROWS_AS(endless.get(60s), aya::cancelled_error);
        CHECK(endless.cancelled());
    });
}

TEST_CASE("X11: blocking on a worker is refused, awaiting is not") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto const endless = aya::run_coroutine_threadsafe(rt, test::forever);
        auto body = [](aya::concurrent_future<void> f) -> aya::task<bool> {
            bool refused = false;
            try {
                f.wait();
            } catch (aya::invalid_state_error const&) {
                refused = true;
            }
            f.cancel();
            bool const cancelled = co_await test::throws<aya::cancelled_error>(f.handle());
            f.wait(); // done: nothing to block for
            co_return refused && cancelled;
        };
        CHECK(rt.block_on(body, endless));
    });
}

TEST_CASE("X10: run_coroutine_threadsafe reaches a loop that another thread runs") {
    aya::runtime rt(test::kind{0}.options());
    aya::promise<> const stop(rt);
    test::thread_crew crew;
    int got = 0;
    crew.add([&] {
        got = aya::run_coroutine_threadsafe(rt, number, 8).get();
        stop.set_value();
    });
    rt.block_on([](aya::future<> f) -> aya::task<> { co_await f; }, stop.get_future());
    crew.join();
    CHECK(got == 8);
}

TEST_CASE("F10: wrap_future links a task of another runtime both ways") {
    aya::runtime other(test::kind{2}.options());
    test::on_every_runtime([&](aya::runtime& rt) {
        auto body = [](aya::runtime& o) -> aya::task<> {
            auto const wrapped = aya::wrap_future(aya::run_coroutine_threadsafe(o, number, 4));
            int const value = co_await wrapped;
            CHECK(value == 4);
            auto const failing = aya::run_coroutine_threadsafe(o, fail());
            bool const failed = co_await test::throws<std::runtime_error>(aya::wrap_future(failing));
            CHECK(failed);
            auto const endless = aya::run_coroutine_threadsafe(o, test::forever);
            auto const f = aya::wrap_future(endless);
            CHECK(f.cancel());
            bool const reached = co_await test::eventually([&] { return endless.cancelled(); });
            CHECK(reached);
            auto const source = aya::run_coroutine_threadsafe(o, test::forever);
            auto const g = aya::wrap_future(source);
            source.cancel();
            bool const told = co_await test::throws<aya::cancelled_error>(g);
            CHECK(told);
        };
        rt.block_on(body, std::ref(other));
    });
}

TEST_CASE("F10: wrap_future of a task that has outlived its runtime") {
    std::optional<aya::concurrent_future<int>> ended;
    std::optional<aya::concurrent_future<void>> cut_off;
    {
        aya::runtime other(test::kind{2}.options());
        ended = aya::run_coroutine_threadsafe(other, number, 4);
        CHECK(ended->get() == 4);
        cut_off = aya::run_coroutine_threadsafe(other, test::forever);
    }
    test::on_every_runtime([&](aya::runtime& rt) {
        auto body = [](aya::concurrent_future<int> value, aya::concurrent_future<void> nothing) -> aya::task<> {
            int const got = co_await aya::wrap_future(value);
            CHECK(got == 4);
            bool const told = co_await test::throws<aya::cancelled_error>(aya::wrap_future(nothing));
            CHECK(told);
        };
        rt.block_on(body, *ended, *cut_off);
    });
}

TEST_CASE("submit: a std::future gets the result, the exception, the cancellation") {
    std::future<void> abandoned;
    std::future<void> failed;
    {
        aya::runtime rt(test::kind{2}.options());
        CHECK(aya::submit(rt, number, 6).get() == 6);
        failed = aya::submit(rt, fail());
        auto own = []() -> aya::task<std::unique_ptr<int>> { co_return std::make_unique<int>(2); };
        CHECK(*aya::submit(rt, own).get() == 2);
        int target = 0;
        auto refer = [](int* p) -> aya::task<int&> { co_return *p; };
        CHECK(&aya::submit(rt, refer, &target).get() == &target);
        abandoned = aya::submit(rt, test::forever);
    }
    CHECK_THROWS_AS(failed.get(), std::runtime_error);
    CHECK_THROWS_AS(abandoned.get(), aya::cancelled_error);
    {
        aya::runtime loop(test::kind{0}.options());
        abandoned = aya::submit(loop, test::forever); // cancelled before its first step
    }
    CHECK_THROWS_AS(abandoned.get(), aya::cancelled_error);
}
