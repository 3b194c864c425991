// SPDX-License-Identifier: Apache-2.0
// E09: whatever code of a user's throws, the exception arrives at one documented place, once, and the workers go on. What is checked
// elsewhere: hooks of threads (test_runtime_options), the exception handler itself (test_runtime), comparisons (test_queue_failures),
// executors (test_executor), serialisers (test_process_data), the construction of a promise's value (test_future).
#include "support/harness.hpp"

#include <aya/aya.hpp>
#include <aya/std_future.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <coroutine>
#include <exception>
#include <memory>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

struct oops : std::runtime_error {
    oops() : std::runtime_error("oops") {}
};
[[noreturn]] void fail() { throw oops(); }

aya::task<int> one() {
    co_await aya::yield();
    co_return 1;
}

/// All workers still work.
aya::task<> check_alive() {
    std::vector<aya::task<int>> some;
    for (int i = 0; i < 50; ++i)
        some.push_back(one());
    int sum = 0;
    for (int const i : co_await aya::gather(std::move(some)))
        sum += i;
    CHECK(sum == 50);
}

/// `provoke` lets the exception arrive where it awaits; nothing is reported.
void arrives(aya::task<> (*provoke)(), test::place where = test::place::current()) {
    test::report_log log;
    aya::runtime_options options;
    options.exception_handler = log.handler();
    options.debug = false; // it would report what is dropped unawaited, whatever AYA_DEBUG says
    auto const body = [&](aya::runtime& rt) {
        CHECK_THROWS_AS(rt.block_on(provoke), oops);
        rt.block_on(check_alive);
    };
    test::on_every_runtime(body, options, where);
    CHECK(log.count() == 0);
}

/// `provoke` ends well, and each time so many exceptions are reported.
void is_reported(std::size_t times, aya::task<> (*provoke)(), test::place where = test::place::current()) {
    test::report_log log;
    aya::runtime_options options;
    options.exception_handler = log.handler();
    auto const body = [&](aya::runtime& rt) {
        std::size_t const before = log.count();
        rt.block_on(provoke);
        rt.block_on(check_alive);
        CHECK(test::eventually_outside([&] { return log.count() == before + times; }));
    };
    test::on_every_runtime(body, options, where);
}

/// Moved for the n-th time, it throws.
struct heavy {
    explicit heavy(int n) noexcept : moves_left(n) {}
    heavy(heavy&& other) : moves_left(other.moves_left - 1) {
        if (moves_left == 0)
            fail();
    }
    heavy(heavy const& other) : heavy(static_cast<heavy&&>(const_cast<heavy&>(other))) {}
    int moves_left;
};

/// An awaiter of somebody's own that throws at one of its three calls.
class thrower {
public:
    explicit thrower(int where) noexcept : where_(where) {}
    [[nodiscard]] bool await_ready() const {
        if (where_ == 0)
            fail();
        return false;
    }
    bool await_suspend(std::coroutine_handle<>) const {
        if (where_ == 1)
            fail();
        return false; // not suspended
    }
    void await_resume() const {
        if (where_ == 2)
            fail();
    }

private:
    int where_;
};

} // namespace

TEST_CASE("E09: a body throws before its first suspension, and after one; at the bottom of a hundred coroutines") {
    arrives([]() -> aya::task<> {
        fail();
        co_return;
    });
    arrives([]() -> aya::task<> {
        co_await aya::yield();
        fail();
    });
    arrives([]() -> aya::task<> {
        struct deep {
            static aya::task<> down(int n) {
                if (n == 0)
                    fail();
                co_await down(n - 1);
            }
        };
        co_await deep::down(100);
    });
}

TEST_CASE("E09: an awaiter of the user's throws in await_ready, await_suspend and await_resume") {
    arrives([]() -> aya::task<> { co_await thrower(0); });
    arrives([]() -> aya::task<> { co_await thrower(1); });
    arrives([]() -> aya::task<> { co_await thrower(2); });
}

TEST_CASE("E09: arguments throw while they are stored for a task, a scope, a group, a call and a callback") {
    struct use {
        static aya::task<> it(heavy) { co_return; }
        static aya::task<> in_group(aya::task_group&, heavy) { co_return; }
    };
    // Whichever of the moves fails, up to more than there are.
    static constexpr int most = 12;
    test::on_every_runtime([](aya::runtime& rt) {
        rt.block_on([]() -> aya::task<> {
            int thrown = 0;
            for (int n = 1; n <= most; ++n) {
                try {
                    co_await aya::create_task(use::it, heavy(n));
                } catch (oops const&) {
                    ++thrown;
                }
                try {
                    co_await aya::timeout(1h, use::it, heavy(n));
                } catch (oops const&) {
                    ++thrown;
                }
                try {
                    co_await aya::with_task_group(use::in_group, heavy(n));
                } catch (oops const&) {
                    ++thrown;
                } catch (aya::exception_group const&) {
                    ++thrown;
                }
                try {
                    auto call = aya::to_thread([](heavy) {}, heavy(n));
                    co_await std::move(call);
                } catch (oops const&) {
                    ++thrown;
                }
                try {
                    (void)aya::call_soon([](heavy const&) {}, heavy(n));
                } catch (oops const&) {
                    ++thrown;
                }
            }
            CHECK(thrown >= 10);
            CHECK(thrown < 5 * most);
        });
        rt.block_on(check_alive);
    }, [] {
        aya::runtime_options quiet;
        quiet.exception_handler = [](aya::exception_report const&) {}; // of callbacks whose argument throws when they are called
        return quiet;
    }());
}

TEST_CASE("E09: a result throws while it is moved to whoever awaits it") {
    static constexpr int most = 10;
    test::on_every_runtime([](aya::runtime& rt) {
        int thrown = 0;
        for (int n = 1; n <= most; ++n) {
            auto make = [](int moves) -> aya::task<heavy> { co_return heavy(moves); };
            auto all = [](auto f, int moves) -> aya::task<int> {
                int failures = 0;
                try {
                    (void)co_await aya::create_task(f(moves));
                } catch (oops const&) {
                    ++failures;
                }
                try {
                    (void)co_await f(moves);
                } catch (oops const&) {
                    ++failures;
                }
                try {
                    (void)co_await aya::gather(f(moves), f(moves));
                } catch (oops const&) {
                    ++failures;
                }
                co_return failures;
            };
            thrown += rt.block_on(all(make, n));
        }
        CHECK(thrown >= 3);
        CHECK(thrown < 3 * most);
        rt.block_on(check_alive);
    });
}

TEST_CASE("E09: what callbacks throw is reported, each once") {
    is_reported(1, []() -> aya::task<> {
        (void)aya::call_soon(fail);
        co_await aya::sleep(1ms);
    });
    is_reported(1, []() -> aya::task<> {
        (void)aya::call_later(1ms, fail);
        co_await aya::sleep(10ms);
    });
    is_reported(2, []() -> aya::task<> {
        auto const h = aya::create_task(one());
        (void)h.add_done_callback(fail);
        (void)h.add_done_callback([](aya::task_handle<int> const&) { fail(); });
        (void)co_await h;
        co_await aya::sleep(1ms);
    });
    is_reported(1, []() -> aya::task<> {
        aya::promise<int> const p;
        auto const f = p.get_future();
        (void)f.add_done_callback(fail);
        p.set_value(1);
        co_await aya::sleep(1ms);
    });
}

TEST_CASE("E09: a failed task that nobody awaits is reported, when its last handle goes") {
    is_reported(1, []() -> aya::task<> {
        (void)aya::create_task([]() -> aya::task<> {
            fail();
            co_return;
        });
        co_await aya::sleep(1ms);
    });
}

TEST_CASE("E09: a predicate of a condition throws with the mutex held, and lets go of it") {
    arrives([]() -> aya::task<> {
        aya::mutex m;
        aya::condition_variable changed(m);
        std::exception_ptr error;
        try {
            auto const guard = co_await m.lock();
            co_await changed.wait(guard, []() -> bool { fail(); });
        } catch (...) {
            error = std::current_exception();
        }
        CHECK_FALSE(m.locked());
        std::rethrow_exception(error);
    });
}

TEST_CASE("E09: a predicate of retry_if throws: that is the exception") {
    arrives([]() -> aya::task<> {
        co_await aya::retry_if([](std::exception_ptr const&) -> bool { fail(); }, {.max_retries = 3, .base_delay = 1us},
                               []() -> aya::task<> {
                                   if (true)
                                       throw std::logic_error("first");
                                   co_return;
                               });
    });
}

TEST_CASE("E09: a range throws half way through gather, wait with a limit and as_completed; what was started is not lost") {
    static std::atomic<int> started{0};
    static std::atomic<int> ended{0};
    started = ended = 0;
    struct counted {
        static aya::task<int> task() {
            struct at_end {
                ~at_end() { ++ended; }
            } const e;
            ++started;
            co_await aya::yield();
            co_return 1;
        }
        static aya::task<int> make(int i) {
            if (i == 3)
                fail();
            return task();
        }
    };
    arrives([]() -> aya::task<> { (void)co_await aya::gather(std::views::iota(0, 6) | std::views::transform(counted::make)); });
    arrives([]() -> aya::task<> {
        (void)co_await aya::gather(aya::max_concurrency{2}, std::views::iota(0, 6) | std::views::transform(counted::make));
    });
    arrives([]() -> aya::task<> {
        auto all = aya::as_completed(aya::max_concurrency{2}, std::views::iota(0, 6) | std::views::transform(counted::make));
        while (auto const h = co_await all.next())
            (void)h.result();
    });
    CHECK(started == ended);
}

TEST_CASE("E09: calls in pools, and functions mapped over a range, throw") {
    arrives([]() -> aya::task<> { co_await aya::to_thread(fail); });
    arrives([]() -> aya::task<> { co_await aya::to_cpu(fail); });
    arrives([]() -> aya::task<> {
        aya::strand const s;
        co_await aya::run_in_executor(s, fail);
    });
    arrives([]() -> aya::task<> {
        aya::blocking_pool const pool({.max_threads = 2});
        auto results = aya::map_in_executor(pool.executor(), std::views::iota(0, 20), [](int i) -> int {
            if (i == 5)
                fail();
            return i;
        });
        while (auto const r = co_await results.next())
            CHECK(*r < 5);
    });
}

TEST_CASE("E09: a generator throws into its consumer, and its locals are gone") {
    arrives([]() -> aya::task<> {
        struct numbers {
            static aya::async_generator<int> two() {
                co_yield 1;
                co_await aya::yield();
                fail();
            }
        };
        auto all = numbers::two();
        while (auto const i = co_await all.next())
            CHECK(*i == 1);
    });
}

TEST_CASE("E09: a body and a child of a task group throw: both are in the group") {
    test::on_every_runtime([](aya::runtime& rt) {
        rt.block_on([]() -> aya::task<> {
            struct group {
                static aya::task<> child() {
                    fail();
                    co_return;
                }
                static aya::task<> body(aya::task_group& g) {
                    (void)g.create_task(child());
                    fail();
                    co_return;
                }
            };
            std::size_t seen = 0;
            try {
                co_await aya::with_task_group(group::body);
            } catch (aya::exception_group const& e) {
                e.handle<oops>([&seen](oops const&) { ++seen; });
            }
            // The child may have been cancelled before its first step.
            CHECK((seen == 1 || seen == 2));
        });
        rt.block_on(check_alive);
    });
}

TEST_CASE("E09: a function for run_coroutine_threadsafe throws while it makes its task, and its result is that") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto make = []() -> aya::task<int> {
            fail();
            co_return 1;
        };
        if (rt.worker_count() > 1) {
            auto f = aya::submit(rt, make);
            CHECK_THROWS_AS((void)f.get(), oops);
        }
        auto not_a_coroutine = []() -> aya::task<int> {
            fail();
            return one();
        };
        CHECK_THROWS_AS((void)rt.block_on(not_a_coroutine), oops);
        rt.block_on(check_alive);
    });
}

TEST_CASE("E10: an exception rises through 100,000 coroutines; two children fail at once, one while it is cancelled") {
    test::on_every_runtime([](aya::runtime& rt) {
        struct deep {
            static aya::task<> down(int n) {
                if (n == 0) {
                    co_await aya::yield();
                    fail();
                }
                co_await down(n - 1);
            }
            static aya::task<> fails_when_cancelled() {
                try {
                    co_await test::forever();
                } catch (aya::cancelled_error const&) {
                    throw std::logic_error("failed while it was cancelled");
                }
            }
            static aya::task<> body(aya::task_group& g) {
                (void)g.create_task(fails_when_cancelled());
                co_await aya::yield();
                co_await aya::yield();
                (void)g.create_task(down(1));
                co_await test::forever();
            }
        };
        CHECK_THROWS_AS(rt.block_on(deep::down, 100000), oops);
        std::size_t first = 0, second = 0;
        try {
            rt.block_on(aya::with_task_group(deep::body));
        } catch (aya::exception_group const& e) {
            try {
                e.handle<oops>([&](oops const&) { ++first; });
            } catch (aya::exception_group const& rest) {
                rest.handle<std::logic_error>([&](std::logic_error const&) { ++second; });
            }
        }
        CHECK(first == 1);
        CHECK(second <= 1); // on several workers it may have been cancelled before its first step
        if (rt.worker_count() == 1)
            CHECK(second == 1);
    });
}
