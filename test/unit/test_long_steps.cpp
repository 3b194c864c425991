// SPDX-License-Identifier: Apache-2.0
// P2: what a step makes ready does not wait for its end while a worker sleeps.
#include <aya/aya.hpp>

#include "support/harness.hpp"
#include "support/rest.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

struct surroundings {
    explicit surroundings(aya::runtime& rt) : number(rt), future(number.get_future()) {}

    std::atomic<bool> ran{false};
    aya::event event;
    aya::queue<int> queue;
    aya::semaphore places{0};
    aya::promise<int> number;
    aya::future<int> future;
};
using shared_surroundings = std::shared_ptr<surroundings>;

// One way to make a task ready: what waits, if anything, and what the long step does.
struct way {
    char const* name;
    aya::task<> (*wait)(shared_surroundings);
    void (*wake)(shared_surroundings const&);
};

aya::task<> run_it(shared_surroundings s) {
    s->ran.store(true);
    co_return;
}

way const ways[] = {
    {"create_task", nullptr, [](shared_surroundings const& s) { (void)aya::create_task(run_it, s); }},
    {"event", [](shared_surroundings s) -> aya::task<> { co_await s->event.wait(); }, [](shared_surroundings const& s) { s->event.set(); }},
    {"queue", [](shared_surroundings s) -> aya::task<> { (void)co_await s->queue.get(); },
     [](shared_surroundings const& s) { s->queue.put_nowait(1); }},
    {"semaphore", [](shared_surroundings s) -> aya::task<> { auto const permit = co_await s->places.acquire(); },
     [](shared_surroundings const& s) { s->places.release(); }},
    {"future", [](shared_surroundings s) -> aya::task<> { (void)co_await s->future; }, [](shared_surroundings const& s) { s->number.set_value(1); }},
    {"gather", [](shared_surroundings s) -> aya::task<> { (void)co_await aya::gather(s->future); },
     [](shared_surroundings const& s) { s->number.set_value(1); }},
    {"wait",
     [](shared_surroundings s) -> aya::task<> {
         std::vector<aya::future<int>> const all{s->future};
         (void)co_await aya::wait(all);
     },
     [](shared_surroundings const& s) { s->number.set_value(1); }},
    {"shield", [](shared_surroundings s) -> aya::task<> { (void)co_await aya::shield(s->future); },
     [](shared_surroundings const& s) { s->number.set_value(1); }},
    {"timeout", [](shared_surroundings s) -> aya::task<> { (void)co_await aya::timeout(std::chrono::hours(1), s->future); },
     [](shared_surroundings const& s) { s->number.set_value(1); }},
};

// What `w` makes ready runs within a minute while the step that made it goes on.
bool runs_meanwhile(aya::runtime& rt, way const& w, bool from_rest) {
    auto const s = std::make_shared<surroundings>(rt);
    auto waiter = [](way const& how, shared_surroundings its) -> aya::task<> {
        co_await how.wait(its);
        its->ran.store(true);
    };
    aya::task_handle<> waiting;
    if (w.wait != nullptr) {
        waiting = rt.spawn(waiter, std::cref(w), s);
        auto const waits = [&] {
            auto const tasks = aya::capture_tasks(rt).tasks;
            return std::any_of(tasks.begin(), tasks.end(), [&](auto const& t) { return t.phase == aya::task_phase::waiting; });
        };
        CHECK(test::eventually_outside(waits));
    }
    if (from_rest)
        CHECK(test::all_sleep(rt));
    auto long_step = [&]() -> aya::task<bool> {
        w.wake(s);
        co_return test::eventually_outside([&] { return s->ran.load(); });
    };
    auto nothing = []() -> aya::task<> { co_return; };
    auto const other = rt.spawn(nothing); // another worker looks around meanwhile
    bool const ran = rt.block_on(long_step);
    rt.wait(other);
    if (w.wait != nullptr)
        rt.wait(waiting);
    return ran;
}

} // namespace

TEST_CASE("P2: what a step makes ready runs on a worker that slept, before the step ends") {
    for (std::size_t const workers : {2U, 3U}) {
        aya::runtime rt(test::kind{workers}.options());
        for (way const& w : ways) {
            CAPTURE(workers);
            std::string const name = w.name;
            CAPTURE(name);
            // When all workers sleep for good, and, several times, when some are about to.
            for (int round = 0; round < 30; ++round)
                REQUIRE(runs_meanwhile(rt, w, round % 10 == 0));
        }
    }
}

TEST_CASE("P2: a sleep that is over ends on a worker that slept, whatever long step another one has begun") {
    test::random_source random(31);
    for (std::size_t const workers : {std::size_t{2}, std::size_t{3}}) {
        aya::runtime rt(test::kind{workers}.options());
        for (int round = 0; round < 100; ++round) {
            CAPTURE(workers);
            std::atomic<bool> over{false};
            auto sleeper = [&]() -> aya::task<> {
                co_await aya::sleep(std::chrono::milliseconds(1));
                over.store(true);
            };
            auto long_step = [&]() -> aya::task<bool> { co_return test::eventually_outside([&] { return over.load(); }); };
            CHECK(test::all_sleep(rt));
            auto const sleeping = rt.spawn(sleeper);
            // It comes before the sleep begins, or when the worker that has run it looks for other work, or later.
            test::spin(random.below(40'000));
            REQUIRE(rt.block_on(long_step));
            rt.wait(sleeping);
        }
    }
}

TEST_CASE("P2: a timer that a step arms is fired on a worker that slept, before the step ends") {
    for (std::size_t const workers : {std::size_t{2}, std::size_t{3}}) {
        aya::runtime rt(test::kind{workers}.options());
        for (int round = 0; round < 10; ++round) {
            CAPTURE(workers);
            std::atomic<bool> over{false};
            auto long_step = [&]() -> aya::task<bool> {
                (void)aya::call_later(std::chrono::milliseconds(1), [&] { over.store(true); });
                co_return test::eventually_outside([&] { return over.load(); });
            };
            CHECK(test::all_sleep(rt));
            REQUIRE(rt.block_on(long_step));
        }
    }
}
