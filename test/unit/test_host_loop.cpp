// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>
#include <aya/std_future.hpp>

#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>

using namespace std::chrono_literals;

namespace {

aya::runtime_options hosted(bool in_virtual_time = false) {
    aya::runtime_options options;
    options.scheduler = aya::scheduler_kind::event_loop;
    options.driven_by_host = true;
    options.virtual_time = in_virtual_time;
    return options;
}

/// Whether the descriptor becomes readable within that time.
bool readable(aya::runtime const& rt, std::chrono::milliseconds limit) {
    pollfd d{rt.descriptor(), POLLIN, 0};
    return ::poll(&d, 1, static_cast<int>(limit.count())) == 1;
}

} // namespace

TEST_CASE("host loop: poll runs one turn, and says how many steps") {
    aya::runtime rt(hosted());
    CHECK(rt.poll() == 0);
    std::vector<int> steps;
    auto body = [&]() -> aya::task<> {
        steps.push_back(1);
        co_await aya::yield();
        steps.push_back(2);
    };
    auto const h = rt.spawn(body);
    auto const g = rt.spawn(body);
    CHECK(steps.empty()); // not from here
    CHECK(rt.poll() == 2);
    CHECK(steps == std::vector{1, 1});
    CHECK(rt.poll() == 2);
    CHECK(steps == std::vector{1, 1, 2, 2});
    CHECK(h.done());
    CHECK(g.done());
    CHECK(rt.poll() == 0);
}

TEST_CASE("host loop: the descriptor is readable exactly while there is something to do") {
    aya::runtime rt(hosted());
    CHECK((::fcntl(rt.descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK_FALSE(readable(rt, 0ms));
    auto twice = []() -> aya::task<> {
        co_await aya::yield();
        co_return;
    };
    SUBCASE("a task of the host's") {
        (void)rt.spawn(twice);
        CHECK(readable(rt, 0ms));
        CHECK(rt.poll() == 1);
        CHECK(readable(rt, 0ms)); // one more step
        CHECK(rt.poll() == 1);
        CHECK_FALSE(readable(rt, 0ms));
    }
    SUBCASE("a task of another thread's") {
        std::future<void> result;
        std::thread([&] { result = aya::submit(rt, twice); }).join();
        CHECK(readable(rt, 0ms));
        while (readable(rt, 0ms))
            rt.poll();
        CHECK(result.wait_for(0s) == std::future_status::ready);
    }
    SUBCASE("a callback of another thread's, posted while the host waits") {
        bool called = false;
        test::thread_crew crew;
        crew.add([&] { (void)aya::call_soon_threadsafe(rt, [&] { called = true; }); });
        CHECK(readable(rt, 60s));
        while (readable(rt, 0ms))
            rt.poll();
        CHECK(called);
    }
    SUBCASE("a timer that comes due") {
        auto sleeper = []() -> aya::task<> { co_await aya::sleep(20ms); };
        aya::time_point const begin = std::chrono::steady_clock::now();
        auto const h = rt.spawn(sleeper);
        rt.poll();
        CHECK_FALSE(h.done());
        CHECK(rt.next_deadline().value() >= begin + 20ms);
        while (!h.done() && readable(rt, 60s))
            rt.poll();
        CHECK(h.done());
        CHECK(std::chrono::steady_clock::now() >= begin + 20ms);
        CHECK_FALSE(readable(rt, 0ms));
        CHECK(rt.next_deadline() == std::nullopt);
    }
    SUBCASE("a timer that is cancelled makes no noise for long") {
        auto sleeper = []() -> aya::task<> { co_await aya::sleep(5ms); };
        auto const h = rt.spawn(sleeper);
        rt.poll();
        h.cancel();
        while (readable(rt, 0ms))
            rt.poll();
        CHECK(h.cancelled());
        CHECK_FALSE(readable(rt, 20ms));
    }
    SUBCASE("an earlier timer takes the place of a later one") {
        auto sleeper = [](std::chrono::milliseconds d) -> aya::task<> { co_await aya::sleep(d); };
        (void)rt.spawn(sleeper, 1h);
        rt.poll();
        auto const h = rt.spawn(sleeper, 5ms);
        while (!h.done() && readable(rt, 60s))
            rt.poll();
        CHECK(h.done());
        CHECK_FALSE(readable(rt, 0ms));
        CHECK(rt.next_deadline() > std::chrono::steady_clock::now() + 30min);
    }
}

TEST_CASE("host loop: no post is lost, whoever posts while the host looks") {
    aya::runtime rt(hosted());
    constexpr int threads = 3;
    constexpr int each = 3000;
    int called = 0; // on the host's thread alone
    test::thread_crew crew;
    for (int t = 0; t < threads; ++t)
        crew.add([&] {
            for (int i = 0; i < each; ++i)
                (void)aya::call_soon_threadsafe(rt, [&called] { ++called; });
        });
    while (called < threads * each) {
        if (!readable(rt, 60s)) {
            FAIL_CHECK("nothing to do, with calls outstanding");
            break;
        }
        rt.poll();
    }
    crew.join();
    CHECK(called == threads * each);
}

TEST_CASE("host loop: a post that comes at the end of a turn is not lost") {
    aya::runtime rt(hosted());
    constexpr int most = 20000;
    auto const enough = std::chrono::steady_clock::now() + 10s; // where others have the CPUs, each change of threads takes milliseconds
    std::atomic<int> rounds{most};
    std::atomic<int> called{0};
    test::thread_crew crew;
    crew.add([&] {
        for (int i = 0; i < most; ++i) {
            if (i % 100 == 99 && std::chrono::steady_clock::now() > enough)
                rounds.store(i + 1); // this one is the last
            // As soon as the last one is called, which is just before its turn ends.
            for (int looks = 0; called.load() != i; ++looks) {
                if (called.load() < 0)
                    return;
                if (looks > 1000)
                    std::this_thread::yield(); // the host's thread has no CPU
            }
            (void)aya::call_soon_threadsafe(rt, [&called] { called.fetch_add(1); });
            if (i + 1 == rounds.load())
                return;
        }
    });
    while (called.load() < rounds.load()) {
        if (!readable(rt, 60s)) {
            FAIL_CHECK("nothing to do, with a call outstanding");
            called.store(-1);
            break;
        }
        rt.poll();
    }
    crew.join();
}

TEST_CASE("host loop: run_for waits for work until its time is over") {
    aya::runtime rt(hosted());
    auto ticks = [](int n) -> aya::task<> {
        for (int i = 0; i < n; ++i)
            co_await aya::sleep(1ms);
    };
    auto const h = rt.spawn(ticks, 5);
    std::size_t steps = 0;
    for (int turns = 0; !h.done() && turns < 100; ++turns) { // once, unless somebody else has the CPU
        auto const begin = std::chrono::steady_clock::now();
        steps += rt.run_for(50ms);
        CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
    }
    CHECK(h.done());
    CHECK(steps == 6);
    CHECK(rt.run_for(0s) == 0);
    // A post wakes it, and stop() ends it.
    bool called = false;
    test::thread_crew crew;
    crew.add([&] {
        (void)aya::call_soon_threadsafe(rt, [&] {
            called = true;
            rt.stop();
        });
    });
    auto const second = std::chrono::steady_clock::now();
    rt.run_for(1h);
    CHECK(called);
    CHECK(std::chrono::steady_clock::now() - second < 30min);
}

TEST_CASE("host loop: run_for under virtual time takes no real time, and stops at its end") {
    aya::runtime rt(hosted(true));
    std::vector<aya::duration> times;
    auto body = [&]() -> aya::task<> {
        aya::time_point const begin = aya::now();
        for (int i = 0; i < 3; ++i) {
            co_await aya::sleep(1h);
            times.push_back(aya::now() - begin);
        }
    };
    auto const h = rt.spawn(body);
    CHECK(rt.run_for(90min) == 2);
    CHECK(times == std::vector<aya::duration>{1h});
    CHECK(rt.poll() == 0); // the clock stands still
    CHECK(rt.run_for(30min) == 1);
    CHECK(rt.run_for(30min) == 0);
    CHECK_FALSE(h.done());
    CHECK(rt.run_for(30min) == 1);
    CHECK(h.done());
}

TEST_CASE("host loop: other threads wait until the host has driven their tasks, which run on its thread") {
    aya::runtime rt(hosted());
    std::thread::id const host = std::this_thread::get_id();
    std::atomic<int> done{0};
    test::thread_crew crew;
    for (int t = 0; t < 3; ++t)
        crew.add([&] {
            auto where = []() -> aya::task<std::thread::id> {
                co_await aya::sleep(1ms);
                co_return std::this_thread::get_id();
            };
            for (int i = 0; i < 20; ++i)
                CHECK(rt.block_on(where) == host);
            done.fetch_add(1);
        });
    while (done.load() < 3)
        if (readable(rt, 1ms))
            rt.poll();
    crew.join();
    // And the host may wait itself.
    auto here = []() -> aya::task<std::thread::id> { co_return std::this_thread::get_id(); };
    CHECK(rt.block_on(here) == host);
}

TEST_CASE("host loop: what block_on leaves behind makes the descriptor readable") {
    aya::runtime rt(hosted());
    auto endless = []() -> aya::task<> {
        for (;;)
            co_await aya::yield();
    };
    (void)rt.spawn(endless);
    rt.block_on([]() -> aya::task<> { co_return; });
    CHECK(readable(rt, 0ms));
    CHECK(rt.poll() == 1);
    auto const report = rt.shutdown(0s);
    CHECK(report.cancelled == 1);
    CHECK_FALSE(readable(rt, 0ms));
}

TEST_CASE("host loop: a fatal error of a task comes out of poll and run_for") {
    aya::runtime rt(hosted());
    auto leave = []() -> aya::task<> {
        co_await aya::yield();
        throw aya::system_exit(3);
    };
    (void)rt.spawn(leave);
    CHECK(rt.poll() == 1);
    CHECK_THROWS_AS(rt.poll(), aya::system_exit);
    (void)rt.spawn(leave);
    CHECK_THROWS_AS(rt.run_for(1h), aya::system_exit);
    CHECK(rt.poll() == 0);
}

TEST_CASE("host loop: wrong use is refused with the reason") {
    aya::runtime_options options;
    options.driven_by_host = true;
    CHECK_THROWS_AS(aya::runtime{options}, std::invalid_argument);
    aya::runtime pool(test::kind{1}.options());
    aya::runtime loop(test::kind{0}.options());
    for (aya::runtime* const r : {&pool, &loop}) {
        CHECK(test::refusal([&] { r->poll(); }) == "aya::runtime::poll: runtime_options::driven_by_host is not set");
        CHECK(test::refusal([&] { r->run_for(1s); }) == "aya::runtime::run_for: runtime_options::driven_by_host is not set");
        CHECK(test::refusal([&] { (void)r->next_deadline(); }) ==
              "aya::runtime::next_deadline: runtime_options::driven_by_host is not set");
        CHECK(test::refusal([&] { (void)r->descriptor(); }) ==
              "aya::runtime::descriptor: runtime_options::driven_by_host is not set");
    }
    aya::runtime rt(hosted());
    std::thread([&] {
        CHECK(test::refusal([&] { rt.poll(); }) == "aya::runtime::poll: called on another thread than the one that made the runtime");
        CHECK(test::refusal([&] { rt.shutdown(0s); }).starts_with("aya::runtime::shutdown: called on another thread"));
    }).join();
    auto inside = [&]() -> aya::task<std::string> { co_return test::refusal([&] { rt.poll(); }); };
    CHECK(rt.block_on(inside) == "aya::runtime::poll: called inside a task");
}

TEST_CASE("host loop: the runtime may be destroyed on another thread, once the host drives it no more") {
    auto rt = std::make_unique<aya::runtime>(hosted());
    auto const h = rt->spawn(test::forever());
    rt->poll();
    std::thread([&] { rt.reset(); }).join();
    CHECK(h.cancelled());
}
