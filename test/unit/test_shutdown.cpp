// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>
#include <aya/std_future.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

aya::task<> nap(std::chrono::milliseconds d) { co_await aya::sleep(d); }

aya::runtime_options in_virtual_time() {
    aya::runtime_options options;
    options.virtual_time = true;
    return options;
}

} // namespace

TEST_CASE("shutdown: what ends in time is completed, the rest is cancelled at the deadline, and named") {
    test::on_every_runtime(
        [](aya::runtime& rt) {
            std::vector<aya::task_handle<>> handles;
            for (int i = 1; i <= 10; ++i)
                handles.push_back(rt.spawn(nap(std::chrono::milliseconds(i)), {.name = "nap " + std::to_string(i)}));
            auto const report = rt.shutdown(6500us);
            CHECK(report.completed == 6);
            CHECK(report.cancelled == 4);
            auto left = report.left;
            std::sort(left.begin(), left.end());
            CHECK(left == std::vector<std::string>{"nap 10", "nap 7", "nap 8", "nap 9"});
            for (std::size_t i = 0; i < handles.size(); ++i) {
                CHECK(handles[i].done());
                CHECK(handles[i].cancelled() == (i >= 6));
            }
            // The same report, and nothing else happens.
            auto const again = rt.shutdown(1h);
            CHECK(again.completed == 6);
            CHECK(again.cancelled == 4);
            CHECK(again.left == report.left);
        },
        in_virtual_time());
}

TEST_CASE("shutdown: returns as soon as nothing is left, with tasks that start others, and with an unlimited deadline") {
    test::on_every_runtime(
        [](aya::runtime& rt) {
            auto const ended = std::make_shared<std::atomic<int>>(0);
            auto chain = [ended](auto self, int left) -> aya::task<> {
                co_await aya::sleep(1ms);
                if (left > 0)
                    (void)aya::create_task(self, self, left - 1);
                ended->fetch_add(1);
            };
            (void)rt.spawn(chain, chain, 9);
            auto const report = rt.shutdown(aya::time_point::max());
            CHECK(ended->load() == 10);
            CHECK(report.completed == 10);
            CHECK(report.cancelled == 0);
            CHECK(report.left.empty());
        },
        in_virtual_time());
}

TEST_CASE("shutdown: without a grace everything is cancelled at once, also what is started meanwhile, and awaited") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto const cleaned = std::make_shared<std::atomic<int>>(0);
        auto const begun = std::make_shared<std::atomic<int>>(0);
        auto tidy = [](std::shared_ptr<std::atomic<int>> c) -> aya::task<> {
            try {
                co_await test::forever();
            } catch (aya::cancelled_error const&) {
                c->fetch_add(1);
                throw;
            }
        };
        auto careful = [tidy](std::shared_ptr<std::atomic<int>> b, std::shared_ptr<std::atomic<int>> c) -> aya::task<> {
            b->fetch_add(1);
            bool const stopped = co_await test::throws<aya::cancelled_error>(test::forever());
            if (stopped) {
                // Cleaning up takes a step, and another task.
                (void)aya::create_task(tidy, c);
                co_await aya::yield();
                c->fetch_add(1);
                throw aya::cancelled_error();
            }
        };
        auto const h = rt.spawn(careful, begun, cleaned);
        auto wait_for_begin = [begun]() -> aya::task<bool> { return test::eventually([begun] { return begun->load() == 1; }); };
        CHECK(rt.block_on(wait_for_begin));
        auto const report = rt.shutdown(0s);
        CHECK(h.cancelled());
        CHECK(report.completed == 0);
        CHECK(report.left.size() == 1);
        CHECK(report.cancelled >= 1);
        CHECK(cleaned->load() >= 1);
        CHECK(cleaned->load() <= 2); // the second one may be cancelled before its first step
    });
}

TEST_CASE("shutdown: tasks and callbacks from outside are refused, with the reason") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto const before = rt.spawn(nap(0ms));
        rt.shutdown(1s);
        CHECK(test::refusal([&] { (void)rt.spawn(nap(0ms)); }) == "aya::runtime::spawn: the runtime is shut down");
        CHECK(test::refusal([&] { rt.block_on(nap(0ms)); }) == "aya::runtime::block_on: the runtime is shut down");
        CHECK(test::refusal([&] { (void)aya::submit(rt, nap(0ms)); }) == "aya::runtime::spawn: the runtime is shut down");
        CHECK(test::refusal([&] { (void)aya::run_coroutine_threadsafe(rt, nap(0ms)); }) ==
              "aya::runtime::spawn: the runtime is shut down");
        CHECK(test::refusal([&] { (void)aya::call_soon_threadsafe(rt, [] {}); }) == "aya::call_soon: the runtime has shut down");
        rt.wait(before);
        CHECK(before.done());
    });
}

TEST_CASE("shutdown: while it waits, other threads' tasks are refused and their callbacks are not") {
    test::on_every_runtime([](aya::runtime& rt) {
        // A blocking job of a task that is left: it tries both, and lets the task end by the callback.
        auto body = [&rt]() -> aya::task<std::string> {
            aya::event told;
            std::string refused;
            auto job = [&] {
                std::string why;
                CHECK(test::eventually_outside([&] {
                    why = test::refusal([&] { (void)rt.spawn(nap(0ms)); });
                    return !why.empty();
                }));
                (void)aya::call_soon_threadsafe(rt, [&told, &refused, why] {
                    refused = why;
                    told.set();
                });
            };
            auto const running = aya::create_task([](auto f) -> aya::task<> { co_await aya::to_thread(std::move(f)); }, job);
            co_await told.wait();
            co_await running;
            // As create_task(): a task of the runtime itself.
            auto const child = rt.spawn(nap(1ms));
            co_await child;
            co_return refused;
        };
        auto const h = rt.spawn(body);
        auto const report = rt.shutdown(30s);
        CHECK(report.left.empty());
        CHECK(h.result() == "aya::runtime::spawn: the runtime is shut down");
    });
}

TEST_CASE("shutdown: tasks on executors are waited for and cancelled like all others") {
    test::on_every_runtime(
        [](aya::runtime& rt) {
            aya::blocking_pool pool;
            auto const short_one = rt.spawn(nap(5ms), {.executor = pool});
            auto const long_one = rt.spawn(nap(1h), {.name = "long", .executor = pool});
            auto const report = rt.shutdown(100ms);
            CHECK_FALSE(short_one.cancelled());
            CHECK(long_one.cancelled());
            CHECK(report.left == std::vector<std::string>{"long"});
            CHECK(report.cancelled == 1);
            aya::create_task_options there;
            there.executor = pool;
            CHECK(test::refusal([&] { (void)rt.spawn(nap(0ms), there); }) == "aya::runtime::spawn: the runtime is shut down");
        },
        in_virtual_time());
}

TEST_CASE("shutdown: inside a task it is refused") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto body = [&rt]() -> aya::task<std::string> { co_return test::refusal([&] { (void)rt.shutdown(0s); }); };
        CHECK(rt.block_on(body).starts_with("aya::runtime::shutdown: called inside a task"));
        CHECK(rt.block_on(body).size() != 0); // it goes on
    });
}

TEST_CASE("shutdown: several threads at once get the same report") {
    test::on_every_runtime([](aya::runtime& rt) {
        for (int i = 0; i < 100; ++i)
            (void)rt.spawn(nap(1ms));
        (void)rt.spawn(test::forever(), {.name = "endless"});
        std::vector<aya::shutdown_report> reports(4);
        test::thread_crew crew;
        for (auto& r : reports)
            crew.add([&] { r = rt.shutdown(50ms); });
        crew.join();
        for (auto const& r : reports) {
            CHECK(r.completed == reports[0].completed);
            CHECK(r.cancelled == reports[0].cancelled);
            CHECK(r.left == reports[0].left);
        }
        CHECK(std::count(reports[0].left.begin(), reports[0].left.end(), "endless") == 1);
    });
}

TEST_CASE("shutdown: a task that gets in while it begins ends before it returns, and one that does not never runs") {
    for (int round = 0; round < 15; ++round)
        for (std::size_t const workers : {0U, 1U, 2U}) {
            aya::runtime rt(test::kind{workers}.options());
            auto const over = std::make_shared<std::atomic<bool>>(false);
            auto const late = std::make_shared<std::atomic<int>>(0);
            auto const ran = std::make_shared<std::atomic<int>>(0);
            auto body = [over, late, ran]() -> aya::task<> {
                ran->fetch_add(1);
                co_await aya::yield();
                if (over->load())
                    late->fetch_add(1);
            };
            std::atomic<int> accepted{0};
            test::thread_crew crew;
            for (int t = 0; t < 2; ++t)
                crew.add([&] {
                    for (;;) {
                        try {
                            (void)rt.spawn(body);
                            accepted.fetch_add(1);
                        } catch (aya::invalid_state_error const&) {
                            return;
                        }
                    }
                });
            while (accepted.load() < 10)
                std::this_thread::yield();
            rt.shutdown(10s);
            over->store(true);
            crew.join();
            CHECK(late->load() == 0);
            CHECK(ran->load() == accepted.load());
        }
}
