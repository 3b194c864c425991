// SPDX-License-Identifier: Apache-2.0
// The contract's section 14.
#include "support/child_process.hpp"
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <csignal>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using test::child_process;

namespace {

aya::task<int> answer() { co_return 42; }

template <class Body>
void on_each_kind(Body body) {
    for (std::size_t const workers : test::every_kind) {
        CAPTURE(workers);
        body(test::kind{workers}.options());
    }
}

} // namespace

TEST_CASE("R1: a new runtime for each run; main's result is returned, its exception thrown") {
    on_each_kind([](aya::runtime_options const& options) {
        CHECK(aya::run(answer(), options) == 42);
        auto fail = []() -> aya::task<> {
            co_await aya::yield();
            throw std::out_of_range("no");
        };
        CHECK_THROWS_AS(aya::run(fail(), options), std::out_of_range);
        auto cancel_self = []() -> aya::task<> {
            aya::current_task().cancel();
            co_await aya::yield();
        };
        CHECK_THROWS_AS(aya::run(cancel_self(), options), aya::cancelled_error);
    });
}

TEST_CASE("R1: block_on on an event loop returns when its task is done, though another one keeps yielding") {
    aya::runtime rt(test::kind{0}.options());
    auto busy = []() -> aya::task<> {
        for (int i = 0; i < 1'000'000; ++i) // far longer than block_on may take; without a limit, a defect would be a hang
            co_await aya::yield();
    };
    auto const h = rt.spawn(busy);
    auto quick = []() -> aya::task<> { co_await aya::yield(); };
    rt.block_on(quick);
    CHECK_FALSE(h.done());
}

TEST_CASE("R2: run inside a task is refused, on every worker") {
    on_each_kind([](aya::runtime_options const& options) {
        auto body = []() -> aya::task<> {
            std::atomic<bool> ran{false};
            auto other = [&]() -> aya::task<> {
                ran.store(true);
                co_return;
            };
            CHECK_THROWS_AS(aya::run(other), aya::invalid_state_error);
            CHECK_FALSE(ran.load());
            co_return;
        };
        aya::run(body(), options);
    });
}

TEST_CASE("R3: tasks that are left are cancelled once and awaited, however long they take to clean up") {
    on_each_kind([](aya::runtime_options const& options) {
        std::atomic<int> delivered{0};
        std::atomic<int> cleaned{0};
        auto leftover = [&]() -> aya::task<> {
            for (int i = 0; i < 3; ++i) {
                try {
                    if (i == 0)
                        co_await aya::sleep(10h);
                    else
                        co_await aya::sleep(1ms);
                } catch (aya::cancelled_error const&) {
                    delivered.fetch_add(1);
                }
            }
            cleaned.fetch_add(1);
        };
        auto main = [&]() -> aya::task<int> {
            for (int i = 0; i < 10; ++i)
                (void)aya::create_task(leftover);
            co_await aya::sleep(1ms);
            co_return 5;
        };
        aya::runtime_options in_virtual_time = options;
        in_virtual_time.virtual_time = true; // all leftovers sleep when main returns
        CHECK(aya::run(in_virtual_time, main) == 5);
        CHECK(delivered.load() == 10);
        CHECK(cleaned.load() == 10);
    });
}

TEST_CASE("R5: what leftovers start while they clean up is cancelled and awaited too, until none is left") {
    on_each_kind([](aya::runtime_options const& options) {
        test::census census;
        std::atomic<int> ended{0};
        struct stubborn {
            static aya::task<> live(int left, test::census::resident here, std::atomic<int>& ended) {
                (void)co_await test::throws<aya::cancelled_error>(test::forever());
                if (left != 0)
                    (void)aya::create_task(live(left - 1, here, ended));
                ended.fetch_add(1);
            }
        };
        auto main = [&]() -> aya::task<> {
            (void)aya::create_task(stubborn::live(5, census.make(), ended));
            co_await aya::sleep(1ms);
        };
        aya::runtime_options in_virtual_time = options;
        in_virtual_time.virtual_time = true;
        aya::run(in_virtual_time, main);
        CHECK(ended.load() >= 1); // one that is cancelled before its first step does not run
        CHECK(census.live() == 0);
    });
}

TEST_CASE("R6: run waits for a call in a thread, even if its caller was cancelled") {
    on_each_kind([](aya::runtime_options const& options) {
        std::atomic<bool> running{false};
        std::atomic<bool> go{false};
        std::atomic<bool> ended{false};
        std::atomic<bool> main_ends{false};
        auto call = [&] {
            running.store(true);
            test::eventually_outside([&] { return go.load(); });
            ended.store(true);
        };
        auto caller = [&]() -> aya::task<> { co_await aya::to_thread(call); };
        auto main = [&]() -> aya::task<> {
            auto const h = aya::create_task(caller);
            bool const started = co_await test::eventually([&] { return running.load(); });
            CHECK(started);
            h.cancel();
            bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
            CHECK(cancelled);
            main_ends.store(true);
        };
        test::thread_crew crew;
        auto const at_end = [&] { go.store(true); };
        crew.add([&] {
            test::eventually_outside([&] { return main_ends.load(); });
            for (int i = 0; i < 1000; ++i) // run() has probably begun to wait meanwhile; if not, the test is only weaker
                std::this_thread::yield();
            at_end();
        });
        aya::run(options, main);
        CHECK(ended.load());
        crew.join();
    });
}

TEST_CASE("R7: an interrupt cancels main; ended by that, run throws keyboard_interrupt") {
    for (char const* const where : {"pool", "loop"}) {
        CAPTURE(where);
        child_process child(test::neighbour("interrupt_child"), {"wait", where});
        CHECK(child.read_line() == "ready");
        child.send(SIGINT);
        CHECK(child.read_line() == "cleaned up");
        CHECK(child.read_line() == "keyboard_interrupt");
    }
}

TEST_CASE("R8: main swallows it and returns: its value; it throws something else: that") {
    for (char const* const where : {"pool", "loop"}) {
        CAPTURE(where);
        child_process returning(test::neighbour("interrupt_child"), {"swallow", where});
        CHECK(returning.read_line() == "ready");
        returning.send(SIGINT);
        CHECK(returning.read_line() == "cleaned up");
        CHECK(returning.read_line() == "returned 7");
        CHECK(returning.read_line() == "default action");
        CHECK(returning.exit_code() == 0);
        child_process failing(test::neighbour("interrupt_child"), {"fail", where});
        CHECK(failing.read_line() == "ready");
        failing.send(SIGINT);
        CHECK(failing.read_line() == "cleaned up");
        CHECK(failing.read_line() == "exception: failed while cleaning up");
    }
}

TEST_CASE("R9: cancelled by somebody else as well: cancelled_error") {
    for (char const* const where : {"pool", "loop"}) {
        CAPTURE(where);
        child_process child(test::neighbour("interrupt_child"), {"cancelled-twice", where});
        CHECK(child.read_line() == "ready");
        child.send(SIGINT);
        CHECK(child.read_line() == "cleaned up");
        CHECK(child.read_line() == "cancelled_error");
    }
}

TEST_CASE("R10: the second interrupt ends the program") {
    for (char const* const how : {"stubborn", "masked"}) {
        CAPTURE(how);
        child_process child(test::neighbour("interrupt_child"), {how, "pool"});
        CHECK(child.read_line() == "ready");
        child.send(SIGINT);
        CHECK(child.read_line() == "cleaned up");
        CHECK(child.read_line() == "ignored");
        child.send(SIGINT);
        CHECK(child.exit_code() == -SIGINT);
    }
}

TEST_CASE("R11: a handler of the program's own stays in place") {
    child_process child(test::neighbour("interrupt_child"), {"own-handler", "loop"});
    CHECK(child.read_line() == "ready");
    child.send(SIGINT);
    CHECK(child.read_line() == "own handler");
    CHECK(child.exit_code() == 5);
}

TEST_CASE("R11: a runtime of one's own touches no signal") {
    struct sigaction before {};
    struct sigaction inside {};
    (void)::sigaction(SIGINT, nullptr, &before);
    for (std::size_t const workers : test::every_kind) {
        aya::runtime rt(test::kind{workers}.options());
        rt.block_on([](struct sigaction* found) -> aya::task<> {
            co_await aya::yield();
            (void)::sigaction(SIGINT, nullptr, found);
        }, &inside);
        CHECK((inside.sa_handler == before.sa_handler));
    }
    struct sigaction after {};
    (void)::sigaction(SIGINT, nullptr, &after);
    CHECK((after.sa_handler == before.sa_handler));
}

TEST_CASE("R4: a leftover that ends with an exception during shutdown is reported") {
    for (std::size_t const workers : test::every_kind) {
        test::report_log log;
        aya::runtime_options options = test::kind{workers}.options();
        options.virtual_time = true;
        options.exception_handler = log.handler();
        auto leftover = []() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw std::runtime_error("while shutting down");
        };
        auto main = [&]() -> aya::task<int> {
            (void)aya::create_task(leftover);
            co_await aya::sleep(1ms);
            co_return 5;
        };
        CHECK(aya::run(options, main) == 5);
        CHECK(log.count() == 1);

        aya::task_handle<void> held; // by somebody who will not ask
        auto keeps = [&]() -> aya::task<int> {
            held = aya::create_task(leftover);
            co_await aya::sleep(1ms);
            co_return 6;
        };
        CHECK(aya::run(options, keeps) == 6);
        CHECK(log.count() == 2);
        held = {};
        CHECK(log.count() == 2);
    }
}
