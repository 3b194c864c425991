// SPDX-License-Identifier: Apache-2.0
// Section 21 of the contract: eager start. And all_tasks().
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

namespace {

constexpr aya::create_task_options eager{.name = "eager", .eager_start = true};

} // namespace

TEST_CASE("EG1: an eager task runs in create_task up to its first suspension, and may be done on return") {
    everywhere([]() -> aya::task<> {
        auto quick = []() -> aya::task<int> { co_return 3; };
        auto const done = aya::create_task(eager, quick);
        CHECK(done.done());
        CHECK(done.result() == 3);
        std::string log;
        auto slow = [&]() -> aya::task<int> {
            log += 'a';
            co_await aya::sleep(1ms);
            log += 'c';
            co_return 4;
        };
        auto outer = [&]() -> aya::task<int> { co_return co_await slow(); }; // a frame below
        auto const h = aya::create_task(eager, outer);
        log += 'b';
        CHECK_FALSE(h.done());
        int const value = co_await h;
        CHECK(value == 4);
        CHECK(log == "abc");
    });
}

TEST_CASE("EG2: current_task() is the eager task during its step, and the creator afterwards") {
    everywhere([]() -> aya::task<> {
        auto const creator = aya::current_task();
        aya::any_task_handle inside;
        auto note = [&]() -> aya::task<> {
            auto deeper = [&]() -> aya::task<> {
                inside = aya::current_task();
                co_return;
            };
            co_await deeper();
        };
        auto const h = aya::create_task(eager, note);
        CHECK(inside == h);
        CHECK(h.name() == "eager");
        CHECK(aya::current_task() == creator);
        co_await aya::yield();
        CHECK(aya::current_task() == creator);
    });
}

TEST_CASE("EG4, EG5: a failure in the eager step is the task's; cancelling a done one has no effect") {
    everywhere([]() -> aya::task<> {
        auto fail = []() -> aya::task<> {
            throw std::runtime_error("at once");
            co_return;
        };
        auto const h = aya::create_task(eager, fail);
        CHECK(h.done());
        CHECK_FALSE(h.cancel());
        CHECK_THROWS_AS(h.result(), std::runtime_error);
        co_return;
    });
}

TEST_CASE("EG6: outside the runtime, and nested too deep, an eager task is scheduled as usual") {
    everywhere([]() -> aya::task<> {
        struct nest {
            static aya::task<int> down(int levels) {
                if (levels == 0)
                    co_return 0;
                auto const h = aya::create_task(eager, &nest::down, levels - 1);
                co_return 1 + co_await h;
            }
        };
        auto const shallow = aya::create_task(eager, &nest::down, 20);
        CHECK(shallow.done());
        auto const deep = aya::create_task(eager, &nest::down, 1000);
        int const levels = co_await deep;
        CHECK(levels == 1000);
    });
    test::on_every_runtime([](aya::runtime& rt) {
        auto here = [](std::thread::id creator) -> aya::task<bool> { co_return std::this_thread::get_id() == creator; };
        auto const h = rt.spawn(here(std::this_thread::get_id()), eager);
        rt.wait(h);
        if (rt.worker_count() > 1)
            CHECK_FALSE(h.result());
    });
}

TEST_CASE("TG27: an eager child that fails in create_task cancels the parent later") {
    everywhere([]() -> aya::task<> {
        bool reached = false;
        bool asked = false;
        auto body = [&](aya::task_group& group) -> aya::task<> {
            auto fail = []() -> aya::task<> {
                throw std::runtime_error("at once");
                co_return;
            };
            (void)aya::call_soon([] {}); // nothing that the parent waits for
            auto const h = group.create_task(fail(), eager);
            CHECK(h.done());
            reached = true;
            try {
                co_await test::forever();
            } catch (aya::cancelled_error const&) {
                asked = true;
                throw;
            }
        };
        bool const failed = co_await test::throws<aya::exception_group>(aya::with_task_group(body));
        CHECK(failed);
        CHECK(reached);
        CHECK(asked);
        int sum = 0;
        auto fine = [&](aya::task_group& group) -> aya::task<> {
            auto add = [&](int n) -> aya::task<> {
                sum += n;
                co_return;
            };
            auto wait = []() -> aya::task<> { co_await aya::sleep(1ms); };
            (void)group.create_task(add(1), eager);
            (void)group.create_task(add(2), eager);
            (void)group.create_task(wait(), eager);
            co_return;
        };
        co_await aya::with_task_group(fine);
        CHECK(sum == 3);
    });
}

TEST_CASE("T15: all_tasks() has every task that is not done") {
    everywhere([]() -> aya::task<> {
        auto const a = aya::create_task(test::forever);
        auto quick = []() -> aya::task<> { co_return; };
        auto const b = aya::create_task(quick);
        co_await b;
        auto const all = aya::all_tasks();
        auto const has = [&](aya::any_task_handle const& h) { return std::find(all.begin(), all.end(), h) != all.end(); };
        CHECK(has(a));
        CHECK(has(aya::current_task()));
        CHECK_FALSE(has(b));
        CHECK(all.size() == 2);
        a.cancel();
    });
    CHECK_THROWS_AS((void)aya::all_tasks(), aya::invalid_state_error);
}
