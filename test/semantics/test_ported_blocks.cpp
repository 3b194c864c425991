// SPDX-License-Identifier: Apache-2.0
// What CPython's own tests of timeouts, wait_for and task groups ask for beyond the other files here; PORTED.md says which test each case
// answers.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<> fail_after(std::chrono::milliseconds d) {
    co_await aya::sleep(d);
    throw std::runtime_error("child");
}

// Fails when it is cancelled.
aya::task<> fail_in_cleanup() {
    (void)co_await test::throws<aya::cancelled_error>(test::forever());
    throw std::runtime_error("cleanup");
}

aya::task<> cancelled_once() {
    aya::current_task().cancel();
    bool const delivered = co_await test::throws<aya::cancelled_error>(test::forever());
    CHECK(delivered);
}

/// The group's errors as text, nested ones in brackets; "none" when the block throws nothing, "cancelled" when it throws that.
std::string describe(aya::exception_group const& group) {
    std::string text = "[";
    for (auto const& e : group.exceptions()) {
        try {
            std::rethrow_exception(e);
        } catch (aya::exception_group const& nested) {
            text += describe(nested);
        } catch (std::exception const& plain) {
            text += plain.what();
        } catch (int number) {
            text += std::to_string(number);
        }
        text += ' ';
    }
    text.back() = ']';
    return text;
}

aya::task<std::string> end_of(aya::task_handle<> block) {
    try {
        co_await block;
    } catch (aya::exception_group const& g) {
        co_return describe(g);
    } catch (aya::cancelled_error const&) {
        co_return "cancelled";
    }
    co_return "none";
}

template <class F>
aya::task<std::string> end_of(F body) {
    co_return co_await end_of(aya::create_task(aya::with_task_group(body)));
}

} // namespace

TEST_CASE("TO4, TO1: timeout_at() ends at its point in time") {
    everywhere([]() -> aya::task<> {
        co_await aya::sleep(3ms);
        bool expired = false;
        auto body = [&](aya::timeout_scope& scope) -> aya::task<> {
            CHECK(scope.when() == aya::time_point(10ms));
            try {
                co_await test::forever();
            } catch (aya::cancelled_error const&) {
                expired = scope.expired();
                throw;
            }
        };
        bool const late = co_await test::throws<aya::timeout_error>(aya::timeout_at(aya::time_point(10ms), body));
        CHECK(late);
        CHECK(expired);
        CHECK(aya::now() == aya::time_point(10ms));
    });
}

TEST_CASE("TO6: an exception of the body in time goes through, and the scope has not expired") {
    everywhere([]() -> aya::task<> {
        bool expired = true;
        auto body = [&](aya::timeout_scope& scope) -> aya::task<> {
            expired = scope.expired();
            throw std::out_of_range("own");
            co_return;
        };
        bool const threw = co_await test::throws<std::out_of_range>(aya::timeout(5ms, body));
        CHECK(threw);
        CHECK_FALSE(expired);
        co_await aya::sleep(10ms);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TO2: a scope is entered once") {
    everywhere([]() -> aya::task<> {
        aya::task<> scoped = aya::timeout(5ms, []() -> aya::task<> { co_return; });
        co_await std::move(scoped);
        bool const refused = co_await test::throws<aya::invalid_state_error>(std::move(scoped));
        CHECK(refused);
    });
}

TEST_CASE("TO18: a scope inside the cleanup of one that has expired, and one with no time in the cleanup of a cancelled task") {
    everywhere([]() -> aya::task<> {
        bool inner_late = false;
        auto body = [&]() -> aya::task<> {
            std::exception_ptr why;
            try {
                co_await test::forever();
            } catch (aya::cancelled_error const&) {
                why = std::current_exception();
            }
            inner_late = co_await test::throws<aya::timeout_error>(aya::timeout(5ms, test::forever));
            std::rethrow_exception(why);
        };
        bool const late = co_await test::throws<aya::timeout_error>(aya::timeout(5ms, body));
        CHECK(late);
        CHECK(inner_late);
        CHECK(aya::now() == aya::time_point(10ms));
        CHECK(aya::current_task().cancelling() == 0);

        co_await cancelled_once();
        bool const at_once = co_await test::throws<aya::timeout_error>(aya::timeout(0s, test::forever));
        CHECK(at_once);
        CHECK(aya::current_task().cancelling() == 1);
    });
}

TEST_CASE("TO9: cancelled again inside a scope in the cleanup: that request is no timeout") {
    everywhere([]() -> aya::task<> {
        co_await cancelled_once();
        auto body = []() -> aya::task<> {
            aya::current_task().cancel();
            co_await test::forever();
        };
        bool const cancelled = co_await test::throws<aya::cancelled_error>(aya::timeout(1h, body));
        CHECK(cancelled);
        CHECK(aya::current_task().cancelling() == 2);
    });
}

TEST_CASE("TO15: an inner scope that is late is caught, and the outer one ends what comes after it") {
    everywhere([]() -> aya::task<> {
        bool inner_late = false;
        bool went_on = false;
        auto body = [&]() -> aya::task<> {
            inner_late = co_await test::throws<aya::timeout_error>(aya::timeout(2ms, test::forever));
            co_await aya::sleep(1h);
            went_on = true;
        };
        bool const late = co_await test::throws<aya::timeout_error>(aya::timeout(10ms, body));
        CHECK(late);
        CHECK(inner_late);
        CHECK_FALSE(went_on);
        CHECK(aya::now() == aya::time_point(10ms));
    });
}

TEST_CASE("TG22: a child that fails in its cleanup makes a late group an exception_group, not a timeout") {
    everywhere([]() -> aya::task<> {
        auto grouped = []() -> aya::task<> {
            co_await aya::with_task_group([](aya::task_group& group) -> aya::task<> {
                (void)group.create_task(fail_in_cleanup);
                co_await test::forever();
            });
        };
        std::string text;
        try {
            co_await aya::timeout(5ms, grouped);
        } catch (aya::exception_group const& g) {
            text = describe(g);
        }
        CHECK(text == "[cleanup]");
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("WF8: with no time left, a running task is awaited until it has cleaned up") {
    everywhere([]() -> aya::task<> {
        bool cleaned = false;
        auto slow = [&]() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await aya::sleep(5ms);
            cleaned = true;
            throw aya::cancelled_error();
        };
        auto const h = aya::create_task(slow);
        co_await test::settle();
        bool const late = co_await test::throws<aya::timeout_error>(aya::wait_for(h, 0s));
        CHECK(late);
        CHECK(cleaned);
        CHECK(h.cancelled());
    });
}

TEST_CASE("WF13: around a shield with no time left the task goes on; without a limit its result comes") {
    everywhere([]() -> aya::task<> {
        auto const h = aya::create_task(aya::sleep(5ms, 3));
        co_await test::settle();
        bool const late = co_await test::throws<aya::timeout_error>(aya::wait_for(aya::shield(h), 0s));
        CHECK(late);
        CHECK_FALSE(h.done());
        CHECK(h.cancelling() == 0);
        int const value = co_await aya::wait_for(aya::shield(h), std::chrono::hours::max());
        CHECK(value == 3);
    });
}

TEST_CASE("TG7: a body that throws at once, and one that throws something else when it is cancelled") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<>> children;
        auto at_once = [&](aya::task_group& group) -> aya::task<> {
            for (int i = 0; i < 2; ++i)
                children.push_back(group.create_task(test::forever));
            throw std::runtime_error("body");
            co_return;
        };
        std::string text = co_await end_of(at_once);
        CHECK(text == "[body]");
        for (auto const& c : children)
            CHECK(c.cancelled());

        auto other = [](aya::task_group&) -> aya::task<> { co_await fail_in_cleanup(); };
        auto const h = aya::create_task(aya::with_task_group(other));
        co_await test::settle();
        h.cancel();
        text = co_await end_of(h);
        CHECK(text == "[cleanup]");
    });
}

TEST_CASE("TG9: an empty group, and one whose children sleep, let a cancellation through") {
    everywhere([]() -> aya::task<> {
        for (bool const empty : {true, false}) {
            auto body = [empty](aya::task_group& group) -> aya::task<> {
                if (!empty)
                    (void)group.create_task(test::forever);
                co_await test::forever();
            };
            auto const h = aya::create_task(aya::with_task_group(body));
            co_await test::settle();
            h.cancel();
            std::string const text = co_await end_of(h);
            CHECK(text == "cancelled");
            CHECK(h.cancelling() == 1);
        }
    });
}

TEST_CASE("TG6, TG10: cancelled from outside, the children of an inner group fail: a group in a group, with and without children outside") {
    everywhere([]() -> aya::task<> {
        for (bool const outer_child : {false, true}) {
            auto inner = [](aya::task_group& group) -> aya::task<> {
                for (int i = 0; i < 3; ++i)
                    (void)group.create_task(fail_in_cleanup);
                co_await test::forever();
            };
            auto outer = [&](aya::task_group& group) -> aya::task<> {
                if (outer_child)
                    (void)group.create_task(test::forever);
                co_await aya::with_task_group(inner);
            };
            auto const h = aya::create_task(aya::with_task_group(outer));
            co_await test::settle();
            h.cancel();
            std::string const text = co_await end_of(h);
            CHECK(text == "[[cleanup cleanup cleanup]]");
        }
    });
}

TEST_CASE("TG10: a child fails while the body still cleans up after a cancellation from outside") {
    everywhere([]() -> aya::task<> {
        for (bool const nested : {false, true}) {
            auto body = [](aya::task_group& group) -> aya::task<> {
                (void)group.create_task(fail_after(3ms));
                std::exception_ptr why;
                try {
                    co_await test::forever();
                } catch (aya::cancelled_error const&) {
                    why = std::current_exception();
                }
                (void)co_await test::throws<aya::cancelled_error>(aya::sleep(5ms, 0)); // the failure cancels that
                std::rethrow_exception(why);
            };
            auto grouped = [&]() -> aya::task<> { co_await aya::with_task_group(body); };
            auto parent = [&]() -> aya::task<> { co_await aya::create_task(grouped); };
            auto const h = nested ? aya::create_task(parent) : aya::create_task(grouped);
            co_await aya::sleep(1ms);
            h.cancel();
            std::string const text = co_await end_of(h);
            CHECK(text == "[child]");
        }
    });
}

TEST_CASE("TG4: a child fails, and what the body does about it fails too: both are in the group, and nothing else is left") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_after(1ms));
            co_await fail_in_cleanup();
        };
        auto parent = [&]() -> aya::task<> {
            bool const threw = co_await test::throws<aya::exception_group>(aya::with_task_group(body));
            CHECK(threw);
            CHECK(aya::current_task().cancelling() == 0);
            co_await aya::yield();
        };
        co_await aya::create_task(parent);
        std::string const text = co_await end_of(body);
        CHECK(text == "[child cleanup]");
    });
}

TEST_CASE("TG15: a body that throws a fatal_error when a child's failure cancels it: that one, bare") {
    for (std::size_t const workers : test::every_kind) {
        CAPTURE(workers);
        auto body = [](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_after(1ms));
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw aya::keyboard_interrupt();
        };
        auto main = [&]() -> aya::task<> { co_await aya::with_task_group(body); };
        aya::runtime_options options = test::kind{workers}.options();
        options.virtual_time = true;
        CHECK_THROWS_AS(aya::run(options, main), aya::keyboard_interrupt);
    }
}

TEST_CASE("TG27: while create_task starts an eager child that fails, the parent is not asked to stop") {
    in_order([]() -> aya::task<> {
        auto body = [](aya::task_group& group) -> aya::task<> {
            auto fail = []() -> aya::task<> {
                throw std::runtime_error("child");
                co_return;
            };
            auto const h = group.create_task({.eager_start = true}, fail);
            CHECK(h.done());
            CHECK(aya::current_task().cancelling() == 0);
            co_await test::forever();
        };
        std::string const text = co_await end_of(body);
        CHECK(text == "[child]");
    });
}

TEST_CASE("TG28: what is no std::exception is in the group like the others, from a child or from the body") {
    everywhere([]() -> aya::task<> {
        auto child_throws = [](aya::task_group& group) -> aya::task<> {
            (void)group.create_task([]() -> aya::task<> {
                co_await aya::sleep(1ms);
                throw 7;
            });
            co_await fail_in_cleanup();
        };
        std::string text = co_await end_of(child_throws);
        CHECK(text == "[7 cleanup]");
        auto body_throws = [](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_after(1ms));
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw 8;
        };
        text = co_await end_of(body_throws);
        CHECK(text == "[child 8]");
    });
}

TEST_CASE("TG1: children that have ended are forgotten, though the block goes on") {
    everywhere([]() -> aya::task<> {
        test::census census;
        auto child = [](test::census::resident here) -> aya::task<test::census::resident> {
            co_await aya::sleep(1ms);
            co_return here;
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            for (int i = 0; i < 10; ++i)
                (void)group.create_task(child, census.make());
            co_await aya::sleep(5ms);
            CHECK(census.ever() >= 10);
            CHECK(census.live() == 0); // their results went with them
            (void)group.create_task(test::forever);
            co_await test::settle();
            throw std::runtime_error("enough");
        };
        std::string const text = co_await end_of(body);
        CHECK(text == "[enough]");
    });
}

TEST_CASE("TG18: children that make children without end are stopped by the first failure") {
    everywhere([]() -> aya::task<> {
        struct hydra {
            static aya::task<> grow(aya::task_group& group, std::atomic<int>& heads) {
                heads.fetch_add(1);
                co_await aya::sleep(1ms);
                for (int i = 0; i < 2; ++i)
                    (void)group.create_task(grow(group, heads));
            }
        };
        std::atomic<int> heads{0};
        auto body = [&](aya::task_group& group) -> aya::task<> {
            auto hero = [&]() -> aya::task<> {
                while (heads.load() < 10)
                    co_await aya::sleep(2ms);
                throw std::runtime_error("enough");
            };
            (void)group.create_task(hydra::grow(group, heads));
            (void)group.create_task(hero);
            co_return;
        };
        std::string const text = co_await end_of(body);
        CHECK(text.starts_with("[enough")); // one that was about to make a child may have been refused it
        CHECK(heads.load() >= 10);
    });
}
