// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

using test::everywhere;

namespace {

aya::task<std::string> text() { co_return "a text that is too long for the small buffer"; }
aya::task<int> fail() {
    throw std::runtime_error("no");
    co_return 0;
}

} // namespace

TEST_CASE("task_handle: an empty one refuses everything but questions") {
    aya::task_handle<int> h;
    CHECK_FALSE(static_cast<bool>(h));
    CHECK_FALSE(h.done());
    CHECK_FALSE(h.cancelled());
    CHECK_THROWS_AS(h.cancel(), aya::invalid_state_error);
    CHECK_THROWS_AS(h.uncancel(), aya::invalid_state_error);
    CHECK_THROWS_AS((void)h.result(), aya::invalid_state_error);
    CHECK_THROWS_AS((void)h.exception(), aya::invalid_state_error);
    CHECK_THROWS_AS((void)h.name(), aya::invalid_state_error);
}

TEST_CASE("task_handle: copies name the same task, and compare equal") {
    everywhere([]() -> aya::task<> {
        auto const a = aya::create_task(text());
        auto const b = a;
        auto const c = aya::create_task(text());
        CHECK(a == b);
        CHECK_FALSE(a == c);
        aya::any_task_handle const any = a;
        CHECK(any == a);
        std::string const x = co_await a;
        std::string const y = co_await b;
        CHECK(x == y);
        co_await c;
    });
}

TEST_CASE("task_handle: an lvalue await leaves the result in place, an rvalue await moves it out") {
    everywhere([]() -> aya::task<> {
        auto h = aya::create_task(text());
        std::string const& first = co_await h;
        CHECK(first == h.result());
        CHECK(&first == &h.result());
        auto other = h;
        std::string const moved = co_await std::move(other);
        CHECK(moved.size() == 44);
        CHECK_THROWS_AS((void)h.result(), aya::invalid_state_error); // it is gone, and not silently empty
    });
}

TEST_CASE("task_handle: names are given, read, changed, and unique by default") {
    everywhere([]() -> aya::task<> {
        auto const plain = aya::create_task(text());
        auto const other = aya::create_task(text());
        CHECK(plain.name().substr(0, 5) == "Task-");
        CHECK(plain.name() != other.name());
        auto const named = aya::create_task(text(), {.name = "reader"});
        CHECK(named.name() == "reader");
        named.set_name("writer");
        CHECK(named.name() == "writer");
        co_await aya::gather(plain, other, named);
        CHECK(named.name() == "writer");
    });
}

TEST_CASE("task_handle: current_task() names the running task, in nested coroutines too, and none outside") {
    CHECK_THROWS_AS((void)aya::current_task(), aya::invalid_state_error);
    everywhere([]() -> aya::task<> {
        auto const outer = aya::current_task();
        auto nested = []() -> aya::task<aya::any_task_handle> {
            co_await aya::yield();
            co_return aya::current_task();
        };
        auto const inner = co_await nested();
        CHECK(inner == outer);
        auto handle = aya::create_task(nested);
        aya::any_task_handle const same = handle;
        auto const other = co_await std::move(handle); // moved out, or the task would keep itself alive
        CHECK(other == same);
        CHECK_FALSE(other == outer);
    });
}

TEST_CASE("task_handle: a dropped handle detaches the task, and the last one frees the result") {
    everywhere([]() -> aya::task<> {
        test::census census;
        aya::event go;
        auto body = [&]() -> aya::task<test::census::resident> {
            co_await go.wait();
            co_return census.make();
        };
        (void)aya::create_task(body);
        auto kept = aya::create_task(body);
        go.set();
        co_await test::settle();
        CHECK(census.live() == 1); // the detached one's result is gone with its task
        auto copy = kept;
        kept = {};
        CHECK(census.live() == 1);
        copy = {};
        CHECK(census.live() == 0);
        CHECK(census.ever() >= 2);
    });
}

TEST_CASE("task_handle: an exception that nobody asked for is reported once, with the task's name") {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{2}}) {
        test::report_log log;
        std::string name;
        aya::runtime_options options = test::kind{workers}.options();
        options.exception_handler = [&, inner = log.handler()](aya::exception_report const& r) {
            name = r.task_name;
            inner(r);
        };
        {
            aya::runtime rt(options);
            rt.block_on([]() -> aya::task<> {
                (void)aya::create_task(fail(), {.name = "forgotten"});
                auto const asked = aya::create_task(fail());
                auto const awaited = aya::create_task(fail());
                auto const cancelled = aya::create_task(fail());
                co_await test::eventually([&] { return asked.done() && awaited.done() && cancelled.done(); });
                CHECK(asked.exception() != nullptr);
                bool const threw = co_await test::throws<std::runtime_error>(awaited);
                CHECK(threw);
                CHECK_FALSE(cancelled.cancel());
            });
        }
        REQUIRE(log.count() == 1);
        CHECK(name == "forgotten");
    }
}

TEST_CASE("task_handle: used from several threads at once while the task ends") {
    aya::runtime rt(test::kind{2}.options());
    for (int round = 0; round < 200; ++round) {
        auto h = rt.spawn(text());
        test::thread_crew crew;
        for (int t = 0; t < 2; ++t)
            crew.add([copy = h] {
                while (!copy.done())
                    (void)copy.cancelling();
                (void)copy.name();
            });
        crew.add([&rt, copy = h] { rt.wait(copy); });
        crew.join();
        CHECK(h.result().size() == 44);
    }
}
