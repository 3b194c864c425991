// SPDX-License-Identifier: Apache-2.0
// What ends the whole run (T12, TG15), and what is reported because nobody asked for it (T16, G16, D1, D2).
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using test::on_every_runtime;
using namespace std::chrono_literals;

namespace {

aya::task<> exit_with(int code) {
    co_await aya::sleep(1ms);
    throw aya::system_exit(code);
}

aya::task<> fail(char const* text) {
    co_await aya::yield();
    throw std::runtime_error(text);
}

// Runs `body` on every kind of runtime and gives the number of reports of each to `check`.
template <class F, class Check>
void count_reports(F body, Check check) {
    test::report_log log;
    std::size_t before = 0;
    aya::runtime_options options;
    options.virtual_time = true;
    options.exception_handler = log.handler();
    on_every_runtime(
        [&](aya::runtime& rt) {
            before = log.count();
            rt.block_on(body);
            check(log.count() - before);
        },
        options);
}

} // namespace

TEST_CASE("T12: a fatal_error of any task ends the run at once, and everything is cleaned up") {
    for (std::size_t const workers : test::every_kind) {
        CAPTURE(workers);
        test::report_log log;
        aya::runtime_options options = test::kind{workers}.options();
        options.virtual_time = true;
        options.exception_handler = log.handler();
        bool cleaned_up = false;
        auto main = [&]() -> aya::task<> {
            struct at_end {
                bool& flag;
                ~at_end() { flag = true; }
            } const guard{cleaned_up};
            (void)aya::create_task(exit_with(3));
            co_await test::forever();
        };
        int code = 0;
        try {
            aya::run(options, main);
        } catch (aya::system_exit const& e) {
            code = e.code();
        }
        CHECK(code == 3);
        CHECK(cleaned_up);
        CHECK(log.count() == 0); // run() has thrown it
    }
}

TEST_CASE("T12: main's own fatal_error comes out too; a later run in the same runtime is not touched by it") {
    on_every_runtime([](aya::runtime& rt) {
        CHECK_THROWS_AS(rt.block_on(exit_with(1)), aya::system_exit);
        auto answer = []() -> aya::task<int> { co_return 42; };
        CHECK(rt.block_on(answer) == 42);
    });
}

TEST_CASE("T12: where nobody waits, a fatal_error is reported like any other exception") {
    test::report_log log;
    aya::runtime_options options;
    options.exception_handler = log.handler();
    for (std::size_t const workers : {std::size_t{1}, std::size_t{2}}) {
        aya::runtime_options mine = test::kind{workers}.options(options);
        std::size_t const before = log.count();
        {
            aya::runtime rt(mine);
            (void)rt.spawn(exit_with(1));
            CHECK(test::eventually_outside([&] { return log.count() == before + 1; }));
        }
    }
}

TEST_CASE("T16: a task that waits for what never comes, and that nobody refers to, is neither lost nor leaked") {
    test::census census;
    for (std::size_t const workers : test::every_kind) {
        {
            aya::runtime rt(test::kind{workers}.options());
            auto body = [&]() -> aya::task<> {
                (void)aya::create_task([](test::census::resident) { return test::forever(); }, census.make());
                co_await aya::yield();
            };
            rt.block_on(body);
        }
        CHECK(census.ever() > 0);
        CHECK(census.live() == 0); // the end of the runtime cancelled it
    }
}

TEST_CASE("TG15: a fatal_error of a child or of the body leaves the group bare, after all children, and the other errors are dropped") {
    for (std::size_t const workers : test::every_kind) {
        CAPTURE(workers);
        for (bool const by_child : {true, false}) {
            CAPTURE(by_child);
            bool child_ended = false;
            bool bare = false;
            auto slow = [&]() -> aya::task<> {
                (void)co_await test::throws<aya::cancelled_error>(test::forever());
                child_ended = true;
                throw std::runtime_error("dropped");
            };
            auto body = [&](aya::task_group& group) -> aya::task<> {
                (void)group.create_task(slow);
                co_await test::settle();
                if (by_child) {
                    (void)group.create_task(exit_with(4));
                    co_await test::forever();
                }
                throw aya::system_exit(4);
            };
            auto main = [&]() -> aya::task<> {
                try {
                    co_await aya::with_task_group(body);
                } catch (aya::system_exit const& e) {
                    bare = e.code() == 4 && child_ended;
                    throw;
                }
            };
            aya::runtime_options options = test::kind{workers}.options();
            options.virtual_time = true;
            CHECK_THROWS_AS(aya::run(options, main), aya::system_exit);
            CHECK(child_ended);
            CHECK(bare);
        }
    }
}

TEST_CASE("G16: a gather that fails and is never awaited is reported, once") {
    count_reports(
        []() -> aya::task<> {
            (void)aya::create_task(aya::gather(fail("never asked for")));
            co_await test::settle();
        },
        [](std::size_t reports) { CHECK(reports == 1); });
}

TEST_CASE("D1: asking for the exception, awaiting, or cancel(), even in vain, suppresses the report") {
    count_reports(
        []() -> aya::task<> {
            (void)aya::create_task(fail("reported"));
            co_await test::settle();
        },
        [](std::size_t reports) { CHECK(reports == 1); });
    auto const silent = [](auto ask) {
        count_reports(
            [ask]() -> aya::task<> {
                auto h = aya::create_task(fail("asked for"));
                co_await test::settle();
                ask(h);
            },
            [](std::size_t reports) { CHECK(reports == 0); });
    };
    silent([](aya::task_handle<> const& h) { CHECK(h.exception() != nullptr); });
    silent([](aya::task_handle<> const& h) { CHECK_THROWS_AS(h.result(), std::runtime_error); });
    silent([](aya::task_handle<> const& h) { CHECK_FALSE(h.cancel()); });
    count_reports(
        []() -> aya::task<> {
            bool const threw = co_await test::throws<std::runtime_error>(aya::create_task(fail("awaited")));
            CHECK(threw);
        },
        [](std::size_t reports) { CHECK(reports == 0); });
}

TEST_CASE("D1: a task that swallows its cancellation and fails afterwards is reported all the same") {
    count_reports(
        []() -> aya::task<> {
            auto stubborn = []() -> aya::task<> {
                (void)co_await test::throws<aya::cancelled_error>(test::forever());
                throw std::runtime_error("after the request");
            };
            {
                auto const h = aya::create_task(stubborn);
                co_await test::settle();
                h.cancel();
            }
            co_await test::settle();
        },
        [](std::size_t reports) { CHECK(reports == 1); });
}

TEST_CASE("D2: the handler gets message, task and exception; when it fails itself, the default handler says both, and the runtime goes on") {
    std::vector<std::string> seen; // the handler is called by one thread at a time
    aya::runtime_options options;
    options.virtual_time = true;
    options.exception_handler = [&](aya::exception_report const& r) {
        std::string what;
        try {
            std::rethrow_exception(r.exception);
        } catch (std::exception const& e) {
            what = e.what();
        }
        seen.push_back(std::string(r.message) + "|" + r.task_name + "|" + what);
        throw std::logic_error("the handler fails; expected on standard error");
    };
    auto body = []() -> aya::task<> {
        (void)aya::create_task(fail("expected on standard error"), {.name = "unlucky"});
        co_await test::settle();
    };
    on_every_runtime(
        [&](aya::runtime& rt) {
            seen.clear();
            rt.block_on(body);
            rt.block_on(body);
            REQUIRE(seen.size() == 2);
            CHECK(seen[0] == "Task exception was never retrieved|unlucky|expected on standard error");
            CHECK(seen[1] == seen[0]);
        },
        options);
}

TEST_CASE("T12: a fatal error in the first moments of a run ends it, whichever task or callback throws it") {
    for (std::size_t const workers : test::every_kind) {
        CAPTURE(workers);
        aya::runtime_options options = test::kind{workers}.options();
        options.virtual_time = true;
        auto by_task = []() -> aya::task<> {
            auto const exits = aya::create_task([]() -> aya::task<> {
                throw aya::system_exit(3);
                co_return;
            });
            co_await aya::sleep(1h);
        };
        auto by_callback = []() -> aya::task<> {
            aya::call_soon([] { throw aya::system_exit(4); });
            co_await aya::sleep(1h);
        };
        int ended = 0;
        for (int i = 0; i < 30; ++i) {
            try {
                aya::run(options, by_task);
            } catch (aya::system_exit const& e) {
                ended += e.code() == 3;
            }
            try {
                aya::run(options, by_callback);
            } catch (aya::system_exit const& e) {
                ended += e.code() == 4;
            }
        }
        CHECK(ended == 60);
    }
}

TEST_CASE("T12: a fatal error ends the run, even if the main task ends at the same moment") {
    for (std::size_t const workers : test::every_kind) {
        CAPTURE(workers);
        auto child = []() -> aya::task<> {
            co_await aya::yield();
            throw aya::system_exit(5);
        };
        auto main = [child]() -> aya::task<> {
            auto const outcomes = co_await aya::gather(aya::return_exceptions, child());
            CHECK(std::get<0>(outcomes).exception() != nullptr);
        };
        int ended = 0;
        for (int i = 0; i < 50; ++i) {
            try {
                aya::run(test::kind{workers}.options(), main);
            } catch (aya::system_exit const&) {
                ++ended;
            }
        }
        CHECK(ended == 50);
    }
}

TEST_CASE("T12: a fatal error of a child that never suspends ends the run as well") {
    for (std::size_t const workers : test::every_kind) {
        CAPTURE(workers);
        auto child = [](int code) -> aya::task<> {
            if (code != 0)
                throw aya::system_exit(code);
            co_return;
        };
        auto main = [child]() -> aya::task<> {
            auto const outcomes = co_await aya::gather(aya::return_exceptions, child(0), child(6), child(0));
            CHECK(std::get<1>(outcomes).exception() != nullptr);
            co_await test::forever(); // only the error ends this
        };
        int code = 0;
        try {
            aya::run(test::kind{workers}.options(), main);
        } catch (aya::system_exit const& e) {
            code = e.code();
        }
        CHECK(code == 6);
    }
}

TEST_CASE("stop() from the main task's first step ends the wait") {
    test::on_every_runtime([](aya::runtime& rt) {
        for (int i = 0; i < 20; ++i) {
            auto stops = [](aya::runtime& r) -> aya::task<> {
                CHECK(r.stop());
                co_await test::forever();
            };
            CHECK_THROWS_AS(rt.block_on(stops(rt)), aya::invalid_state_error);
        }
    });
}
