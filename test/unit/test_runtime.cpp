// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#include <sys/resource.h>

using namespace std::chrono_literals;

namespace {

aya::task<int> answer() { co_return 42; }

std::ptrdiff_t entries(char const* folder) {
    return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
}

} // namespace

TEST_CASE("runtime: block_on gives the result or throws the exception") {
    test::on_every_runtime([](aya::runtime& rt) {
        CHECK(rt.block_on(answer()) == 42);
        auto fail = []() -> aya::task<> {
            co_await aya::yield();
            throw std::runtime_error("no");
        };
        CHECK_THROWS_AS(rt.block_on(fail()), std::runtime_error);
        auto cancelled = []() -> aya::task<> {
            aya::current_task().cancel();
            co_await aya::yield();
        };
        CHECK_THROWS_AS(rt.block_on(cancelled()), aya::cancelled_error);
        CHECK(rt.block_on(answer()) == 42); // and it goes on
    });
}

TEST_CASE("runtime: worker_count says what was asked for; too many are refused") {
    CHECK(aya::runtime(test::kind{0}.options()).worker_count() == 1);
    CHECK(aya::runtime(test::kind{3}.options()).worker_count() == 3);
    CHECK(aya::runtime().worker_count() >= 1);
    CHECK_THROWS_AS(aya::runtime(test::kind{4096}.options()), std::invalid_argument);
}

TEST_CASE("runtime: block_on and wait inside a task are refused, and change nothing") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto body = [&]() -> aya::task<> {
            CHECK_THROWS_AS(rt.block_on(answer()), aya::invalid_state_error);
            auto const h = aya::create_task(answer());
            CHECK_THROWS_AS(rt.wait(h), aya::invalid_state_error);
            aya::runtime other(test::kind{1}.options());
            CHECK_THROWS_AS(other.block_on(answer()), aya::invalid_state_error);
            int const value = co_await h;
            CHECK(value == 42);
        };
        rt.block_on(body);
    });
}

TEST_CASE("runtime: tasks are spawned by several foreign threads at once") {
    test::on_every_runtime([](aya::runtime& rt) {
        std::atomic<int> ran{0};
        auto body = [&]() -> aya::task<> {
            ran.fetch_add(1);
            co_await aya::yield();
            ran.fetch_add(1);
        };
        test::thread_crew crew;
        for (int t = 0; t < 4; ++t)
            crew.add([&] {
                for (int i = 0; i < 500; ++i)
                    (void)rt.spawn(body);
            });
        crew.join();
        auto all = [&]() -> aya::task<bool> { return test::eventually([&] { return ran.load() == 4000; }); };
        CHECK(rt.block_on(all()));
    });
}

TEST_CASE("runtime: several threads wait in block_on of one pool") {
    aya::runtime rt(test::kind{2}.options());
    std::atomic<int> sum{0};
    test::thread_crew crew;
    for (int t = 0; t < 4; ++t)
        crew.add([&] {
            for (int i = 0; i < 500; ++i)
                sum.fetch_add(rt.block_on(answer()));
        });
    crew.join();
    CHECK(sum.load() == 4 * 500 * 42);
}

TEST_CASE("runtime: several at once know nothing of each other") {
    aya::runtime a(test::kind{2}.options());
    aya::runtime b(test::kind{1}.options());
    aya::runtime c(test::kind{0}.options());
    auto count = [](int n) -> aya::task<int> {
        int sum = 0;
        for (int i = 0; i < n; ++i) {
            co_await aya::yield();
            ++sum;
        }
        co_return sum;
    };
    auto const in_a = a.spawn(count(1000));
    auto const in_b = b.spawn(count(2000));
    auto const in_c = c.spawn(count(3000));
    c.wait(in_c);
    b.wait(in_b);
    a.wait(in_a);
    CHECK(in_a.result() + in_b.result() + in_c.result() == 6000);
}

TEST_CASE("runtime: a task of one can wait for an event that a task of another sets") {
    aya::runtime a(test::kind{1}.options());
    aya::runtime b(test::kind{2}.options());
    for (int i = 0; i < 200; ++i) {
        aya::event e;
        auto waiter = [&]() -> aya::task<> { co_await e.wait(); };
        auto setter = [&]() -> aya::task<> {
            e.set();
            co_return;
        };
        auto const w = a.spawn(waiter);
        auto const s = b.spawn(setter);
        a.wait(w);
        b.wait(s);
    }
}

TEST_CASE("runtime: the destructor cancels what is left and waits until it has ended") {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{8}}) {
        CAPTURE(workers);
        test::census census;
        std::atomic<int> begun{0};
        std::atomic<int> cleaned{0};
        {
            aya::runtime rt(test::kind{workers}.options());
            auto stubborn = [&](test::census::resident) -> aya::task<> {
                begun.fetch_add(1);
                (void)co_await test::throws<aya::cancelled_error>(test::forever());
                for (int i = 0; i < 5; ++i)
                    co_await aya::sleep(1ms); // cleaning up takes its time
                cleaned.fetch_add(1);
            };
            auto start = [&]() -> aya::task<> {
                for (int i = 0; i < 10; ++i)
                    (void)aya::create_task(stubborn, census.make());
                bool const all = co_await test::eventually([&] { return begun.load() == 10; });
                CHECK(all);
            };
            rt.block_on(start);
        }
        CHECK(cleaned.load() == 10);
        CHECK(census.live() == 0);
    }
}

TEST_CASE("runtime: a task spawned on an event loop that nobody runs ends without having run") {
    test::census census;
    bool ran = false;
    {
        aya::runtime rt(test::kind{0}.options());
        (void)rt.spawn([&ran](test::census::resident) -> aya::task<> {
            ran = true;
            co_return;
        }, census.make());
        CHECK(census.live() >= 1);
    }
    CHECK(census.live() == 0);
    CHECK_FALSE(ran);
}

TEST_CASE("runtime: handles outlive it") {
    aya::task_handle<int> done;
    aya::task_handle<> cancelled;
    {
        aya::runtime rt(test::kind{2}.options());
        done = rt.spawn(answer());
        rt.wait(done);
        cancelled = rt.spawn(test::forever());
    }
    CHECK(done.result() == 42);
    CHECK(cancelled.cancelled());
    CHECK_FALSE(cancelled.cancel());
    CHECK_THROWS_AS(cancelled.result(), aya::cancelled_error);
}

TEST_CASE("runtime: made and destroyed ten thousand times, without leaking threads or descriptors") {
    std::ptrdiff_t const threads = entries("/proc/self/task"); // or fewer: those of a test before may still be ending
    std::ptrdiff_t const descriptors = entries("/proc/self/fd");
    int const rounds = AYA_SANITIZED ? 500 : 10'000;
    for (int i = 0; i < rounds; ++i) {
        aya::runtime rt(test::kind{static_cast<std::size_t>(i % 3)}.options());
        if (i % 2 == 0)
            (void)rt.spawn(answer());
        if (i % 5 == 0)
            CHECK(rt.block_on(answer()) == 42);
    }
    CHECK(test::eventually_outside([&] { return entries("/proc/self/task") <= threads; }));
    CHECK(entries("/proc/self/fd") == descriptors);
}

TEST_CASE("runtime: memory does not grow over a hundred rounds of the same work") {
    if (AYA_SANITIZED)
        return; // their allocators keep what was freed
    auto const work = [] {
        aya::runtime rt(test::kind{2}.options());
        auto body = []() -> aya::task<> {
            std::vector<aya::task<int>> some;
            for (int i = 0; i < 2000; ++i)
                some.push_back(answer());
            (void)co_await aya::gather(std::move(some));
        };
        rt.block_on(body);
    };
    auto const peak = [] {
        rusage u{};
        getrusage(RUSAGE_SELF, &u);
        return u.ru_maxrss; // KiB
    };
    for (int i = 0; i < 20; ++i)
        work();
    long const before = peak();
    for (int i = 0; i < 100; ++i)
        work();
    CHECK(peak() - before < 8 * 1024);
}

TEST_CASE("runtime: the exception handler may itself throw, and the program goes on") {
    aya::runtime_options options = test::kind{1}.options();
    std::atomic<int> calls{0};
    options.exception_handler = [&](aya::exception_report const&) {
        calls.fetch_add(1);
        throw std::runtime_error("the handler fails; expected on standard error");
    };
    {
        aya::runtime rt(options);
        auto fail = []() -> aya::task<> {
            throw std::runtime_error("expected on standard error");
            co_return;
        };
        (void)rt.spawn(fail);
        (void)rt.spawn(fail);
        CHECK(rt.block_on(answer()) == 42);
    }
    CHECK(calls.load() == 2);
}

TEST_CASE("runtime: several threads in block_on of one runtime: whoever is done leaves, and the others go on") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::event open;
        std::atomic<int> waiting{0};
        test::thread_crew crew;
        for (int i = 0; i < 3; ++i)
            crew.add([&] {
                rt.block_on([&]() -> aya::task<> {
                    waiting.fetch_add(1);
                    co_await open.wait();
                });
            });
        // The loop is driven by one of them, who is not done.
        CHECK(test::eventually_outside([&] { return waiting.load() == 3; }));
        CHECK(rt.block_on(answer()) == 42);
        open.set();
        crew.join();
    });
}

TEST_CASE("runtime: the exception handler and destructors of results do not find the ended task as the current one") {
    std::atomic<int> seen{0};
    std::atomic<int> wrong{0};
    auto const look = [&] {
        try {
            // None; or the body, where it drops the last handle.
            if (aya::current_task().name() == "ended")
                wrong.fetch_add(1);
        } catch (aya::invalid_state_error const&) {
        }
        seen.fetch_add(1);
    };
    struct looks_at_end {
        std::function<void()> look;
        ~looks_at_end() { look(); }
    };
    aya::runtime_options options;
    options.exception_handler = [&](aya::exception_report const&) { look(); };
    test::on_every_runtime(
        [&](aya::runtime& rt) {
            seen = 0;
            auto fails = []() -> aya::task<> {
                co_await aya::yield();
                throw std::runtime_error("dropped");
            };
            auto returns = [&]() -> aya::task<std::unique_ptr<looks_at_end>> {
                co_await aya::yield();
                co_return std::make_unique<looks_at_end>(look);
            };
            auto body = [&]() -> aya::task<bool> {
                (void)aya::create_task({.name = "ended"}, fails);
                (void)aya::create_task({.name = "ended"}, returns);
                return test::eventually([&] { return seen.load() == 2; });
            };
            CHECK(rt.block_on(body));
            CHECK(wrong.load() == 0);
        },
        options);
}

TEST_CASE("runtime: an exception handler that causes a report itself does not wait for itself") {
    int reports = 0;
    aya::runtime_options options = test::kind{0}.options();
    aya::task_handle<> second;
    options.exception_handler = [&](aya::exception_report const&) {
        ++reports;
        second = {}; // the last handle of a task that failed
    };
    aya::runtime rt(options);
    auto fails = []() -> aya::task<> {
        throw std::runtime_error("expected on standard error");
        co_return;
    };
    second = rt.spawn(fails);
    rt.block_on([]() -> aya::task<> { co_await aya::yield(); });
    {
        auto const first = rt.spawn(fails);
        rt.block_on([]() -> aya::task<> { co_await aya::yield(); });
    }
    CHECK(reports == 1); // the second one was printed
}

TEST_CASE("runtime: work for the pools that comes while the runtime ends is done or refused, and never lost") {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
        for (int round = 0; round < 50; ++round) {
            std::atomic<int> started{0};
            test::census late_ones; // ended, or cancelled before their first step
            {
                aya::runtime rt(test::kind{workers}.options());
                auto late = [](test::census::resident) -> aya::task<> {
                    try {
                        co_await aya::yield();
                    } catch (aya::cancelled_error const&) {
                    }
                    try {
                        co_await aya::to_thread([] {});
                    } catch (aya::broken_executor const&) {
                    } catch (aya::cancelled_error const&) {
                    }
                };
                auto first = [&]() -> aya::task<> {
                    co_await aya::to_thread([&] {
                        started.fetch_add(1);
                        std::this_thread::yield();
                        (void)rt.spawn(late, late_ones.make()); // perhaps after the runtime has begun to end
                    });
                };
                auto starter = [&]() -> aya::task<bool> {
                    (void)aya::create_task(first);
                    return test::eventually([&] { return started.load() == 1; });
                };
                CHECK(rt.block_on(starter));
            }
            CHECK(late_ones.ever() > 0);
            CHECK(late_ones.live() == 0);
        }
    }
}
