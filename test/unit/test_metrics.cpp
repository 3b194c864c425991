// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include "inspect/histogram.hpp"

#include <aya/aya.hpp>
#include <aya/trace.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <numeric>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

#include <malloc.h>

using namespace std::chrono_literals;

namespace {

aya::task<> nothing() { co_return; }

aya::task<> some_of_each() {
    co_await aya::create_task(nothing);
    auto const waiting = aya::create_task(test::forever);
    auto const failing = aya::create_task([]() -> aya::task<> {
        throw std::runtime_error("expected");
        co_return;
    });
    bool const failed = co_await test::throws<std::runtime_error>(failing);
    CHECK(failed);
    waiting.cancel();
    bool const cancelled = co_await test::throws<aya::cancelled_error>(waiting);
    CHECK(cancelled);
}

std::uint64_t steps_of(aya::runtime_metrics const& m) {
    return std::accumulate(m.workers.begin(), m.workers.end(), std::uint64_t{0}, [](std::uint64_t n, auto const& w) { return n + w.steps; });
}

bool contains(std::string const& text, std::string const& part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("metrics: tasks by their ends, steps, timers, pools") {
    test::on_every_runtime([](aya::runtime& rt) {
        aya::runtime_metrics const before = rt.metrics();
        CHECK(before.tasks_spawned == 0);
        CHECK(before.workers.size() == rt.worker_count());
        rt.block_on(some_of_each);
        aya::runtime_metrics const after = rt.metrics();
        CHECK(after.tasks_spawned == 4);
        CHECK(after.tasks_completed == 4);
        CHECK(after.tasks_cancelled == 1);
        CHECK(after.tasks_failed == 1);
        CHECK(after.tasks_alive == 0);
        CHECK(steps_of(after) >= 4);
        CHECK(after.injected == 0);
        CHECK_FALSE(after.step_time);
        rt.block_on([](aya::runtime* of) -> aya::task<> {
            auto const sleeper = aya::create_task([]() -> aya::task<> { co_await aya::sleep(1h); });
            co_await aya::to_thread([] {});
            co_await aya::to_cpu([] {});
            bool const armed = co_await test::eventually([of] { return of->metrics().timers == 1; });
            CHECK(armed);
            aya::runtime_metrics const m = of->metrics();
            CHECK(m.tasks_alive == 2);
            CHECK(m.blocking_threads == 1);
            CHECK(m.blocking_queued == 0);
            CHECK(m.cpu_threads != 0);
            sleeper.cancel();
            bool const over = co_await test::throws<aya::cancelled_error>(sleeper);
            CHECK(over);
            CHECK(of->metrics().timers == 0);
        }, &rt);
    });
}

TEST_CASE("metrics: workers are busy or asleep") {
    aya::runtime rt({.workers = 1});
    aya::runtime_metrics m;
    CHECK(test::eventually_outside([&] { // at once, unless the worker gets to its sleep when that is nearly over
        rt.block_on([]() -> aya::task<> { co_await aya::sleep(20ms); });
        m = rt.metrics();
        return m.workers[0].idle >= 10ms;
    }));
    CHECK(m.workers[0].parks >= 1);
    CHECK(m.workers[0].busy > 0ns);
}

TEST_CASE("metrics: histograms, and the text for Prometheus") {
    test::on_every_runtime([](aya::runtime& rt) {
        rt.block_on(some_of_each);
        aya::runtime_metrics m;
        CHECK(test::eventually_outside([&] { // a step is counted after the task has told of its end
            m = rt.metrics();
            REQUIRE(m.step_time);
            REQUIRE(m.scheduling_delay);
            return m.step_time->count >= 4 && m.scheduling_delay->count >= 1;
        }));
        CHECK(m.step_time->counts.size() == m.step_time->bounds.size() + 1);
        CHECK(m.step_time->quantile(0.5) > 0);
        CHECK(m.step_time->quantile(1) >= m.step_time->quantile(0.5));
        std::string const text = m.prometheus("my");
        CHECK(contains(text, "# TYPE my_tasks_spawned_total counter\nmy_tasks_spawned_total{runtime=\"x\\\"y\"} 4\n"));
        CHECK(contains(text, "my_worker_steps_total{runtime=\"x\\\"y\",worker=\"0\"} "));
        CHECK(contains(text, "my_step_seconds_bucket{runtime=\"x\\\"y\",le=\"+Inf\"} " + std::to_string(m.step_time->count) + "\n"));
    }, {.histograms = true, .name = "x\"y"});
    aya::runtime rt({.workers = 1, .name = "a\nb\\c\"d"});
    CHECK(contains(rt.metrics().prometheus("aya"), "aya_tasks_alive{runtime=\"a\\nb\\\\c\\\"d\"} 0\n"));
}

TEST_CASE("histogram: intervals double from a microsecond") {
    aya::detail::histogram h;
    for (auto const time : {0ns, 999ns, 1000ns, 1999ns, 2000ns, std::chrono::nanoseconds(10s), -1ns})
        h.add(time);
    auto const seen = h.read();
    CHECK(seen.counts[0] == 3);
    CHECK(seen.counts[1] == 2);
    CHECK(seen.counts[2] == 1);
    CHECK(seen.counts.back() == 1);
    CHECK(seen.count == 7);
    CHECK(seen.bounds[0] == doctest::Approx(1e-6));
    CHECK(seen.bounds[1] == doctest::Approx(2e-6));
    CHECK(aya::time_histogram().quantile(0.5) == 0);
    CHECK(seen.quantile(0) == doctest::Approx(1e-6)); // nothing lies below the first that has something
    CHECK(seen.quantile(1) == std::numeric_limits<double>::infinity());
}

TEST_CASE("traces: more events than there could be are refused") {
    aya::runtime rt;
    std::string const refusal = test::refusal<std::invalid_argument>([&] { aya::start_trace(rt, SIZE_MAX); });
    CHECK(refusal.find("events") != std::string::npos);
}

TEST_CASE("traces: steps, jobs and spans; nothing without start_trace()") {
    test::on_every_runtime([](aya::runtime& rt) {
        CHECK_THROWS_AS((void)aya::trace_text(rt), aya::invalid_state_error);
        auto body = []() -> aya::task<> {
            aya::trace_span const span("a span");
            co_await aya::create_task(nothing(), {.name = "named \"task\""});
            co_await aya::to_thread([] {});
        };
        rt.block_on(body); // not recorded
        aya::start_trace(rt, 10'000);
        rt.block_on(body);
        // A step is recorded after the task has told of its end.
        CHECK(test::eventually_outside([&] { return contains(aya::trace_text(rt), "named \\\"task\\\""); }));
        aya::stop_trace(rt);
        std::string const text = aya::trace_text(rt);
        CHECK(contains(text, "\"name\":\"named \\\"task\\\"\",\"cat\":\"step\""));
        CHECK(contains(text, "\"cat\":\"job\""));
        CHECK(contains(text, "{\"ph\":\"b\",\"name\":\"a span\",\"cat\":\"span\""));
        CHECK(contains(text, "\"events_lost\":0"));
        rt.block_on(body);
        CHECK(aya::trace_text(rt).size() < text.size() + 400); // a few threads may have ended their sleep
        aya::start_trace(rt, 1);
        rt.block_on(body);
        CHECK_FALSE(contains(aya::trace_text(rt), "\"events_lost\":0}"));
        CHECK_THROWS_AS(aya::write_trace(rt, "/nowhere/trace.json"), std::system_error);
    });
}

TEST_CASE("traces: callbacks, and what one worker takes from another") {
    aya::runtime rt({.workers = 2});
    aya::stop_trace(rt); // none is there
    aya::start_trace(rt);
    aya::start_trace(rt, 1); // goes on as it is
    CHECK(rt.block_on([]() -> aya::task<bool> {
        static std::atomic<bool> called, elsewhere;
        called = elsewhere = false;
        (void)aya::call_soon([] { called = true; });
        bool const soon = co_await test::eventually([] { return called.load(); });
        // This worker is held until the other one has taken what it has started.
        auto const h = aya::create_task([]() -> aya::task<> {
            elsewhere = true;
            co_return;
        });
        bool const taken = test::eventually_outside([] { return elsewhere.load(); });
        co_await h;
        co_return soon && taken;
    }));
    aya::stop_trace(rt);
    std::string const text = aya::trace_text(rt);
    CHECK(contains(text, "\"name\":\"callback\",\"cat\":\"step\""));
    CHECK(contains(text, "\"name\":\"steal\""));
    CHECK(contains(text, "\"stolen\":1"));
}

namespace {

aya::task<> named(std::string name) { co_await aya::create_task(nothing(), {.name = std::move(name)}); }

} // namespace

TEST_CASE("traces: a new one has nothing of the one before, nor its memory") {
    aya::runtime rt({.workers = 1});
    auto record = [&](std::string const& name) {
        aya::start_trace(rt);
        rt.block_on(named(name));
        aya::stop_trace(rt);
    };
    rt.block_on([](aya::runtime* r) -> aya::task<> {
        aya::start_trace(*r);
        aya::trace_span const across("across");
        aya::stop_trace(*r);
        aya::start_trace(*r);
        co_return;
    }, &rt);
    CHECK_FALSE(contains(aya::trace_text(rt), "across"));
    aya::stop_trace(rt);
    record("first");
    CHECK(contains(aya::trace_text(rt), "first"));
    record("second");
    CHECK(contains(aya::trace_text(rt), "second"));
    CHECK_FALSE(contains(aya::trace_text(rt), "first"));
#if !AYA_SANITIZED
    auto const used = [] {
        auto const all = ::mallinfo2();
        return all.uordblks + all.hblkhd;
    };
    std::size_t const before = used();
    for (int i = 0; i < 10; ++i)
        record("again");
    CHECK(used() < before + (std::size_t{16} << 20)); // of each, 4 MiB a thread
#endif
}

TEST_CASE("traces: long names end where a character does; rows have the names of their threads") {
    aya::runtime rt({.workers = 1, .name = "web-b"});
    aya::start_trace(rt);
    rt.block_on([]() -> aya::task<> {
        co_await named("1234567890123456789012345678901234\xc3\xa4x");
        co_await aya::to_cpu([] {});
        co_await aya::to_thread([] {});
    });
    std::string const text = aya::trace_text(rt);
    CHECK(contains(text, "\"name\":\"1234567890123456789012345678901234\""));
    CHECK(contains(text, "{\"name\":\"web-b-0\"}"));
    CHECK(contains(text, "{\"name\":\"web-b-b0\"}"));
    CHECK(contains(text, "{\"name\":\"cpu pool\"}"));
}
