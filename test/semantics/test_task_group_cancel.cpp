// SPDX-License-Identifier: Apache-2.0
// The contract's section 9: a group whose task is cancelled from outside.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <string>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

// How a block that was cancelled from outside went on.
struct trace {
    bool group = false;
    bool cancelled = false;
    bool delivered_next = false;
    std::uint32_t count = 99;
};

// Runs the block, and then one suspension.
template <class F>
aya::task<> observe(F body, trace& t) {
    try {
        co_await aya::with_task_group(body);
    } catch (aya::exception_group const&) {
        t.group = true;
    } catch (aya::cancelled_error const&) {
        t.cancelled = true;
    }
    t.count = aya::current_task().cancelling();
    t.delivered_next = co_await test::throws<aya::cancelled_error>([]() -> aya::task<> { co_await aya::yield(); }());
}

aya::task<> fail_when_cancelled() {
    (void)co_await test::throws<aya::cancelled_error>(test::forever());
    throw std::runtime_error("while cleaning up");
}

} // namespace

TEST_CASE("TG9: cancelled from outside, in the body or at the end: children are cancelled and awaited, then cancelled_error") {
    everywhere([]() -> aya::task<> {
        for (bool const body_waits : {true, false}) {
            trace t;
            bool child_cleaned = false;
            auto child = [&]() -> aya::task<> {
                (void)co_await test::throws<aya::cancelled_error>(test::forever());
                co_await aya::sleep(5ms);
                child_cleaned = true;
            };
            auto body = [&](aya::task_group& group) -> aya::task<> {
                (void)group.create_task(child);
                if (body_waits)
                    co_await test::forever();
            };
            auto const h = aya::create_task(observe(body, t));
            co_await test::settle();
            CHECK(h.cancel());
            co_await test::settle();
            CHECK_FALSE(h.done());
            co_await h;
            CHECK(child_cleaned);
            CHECK(t.cancelled);
            CHECK_FALSE(t.group);
            CHECK(t.count == 1);
            CHECK_FALSE(t.delivered_next); // it was delivered already
        }
    });
}

TEST_CASE("TG9: ... and the message comes through") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(test::forever());
            co_return;
        };
        auto const h = aya::create_task(aya::with_task_group(body));
        co_await test::settle();
        h.cancel("why");
        std::string message;
        try {
            co_await h;
        } catch (aya::cancelled_error const& e) {
            message = e.message();
        }
        CHECK(message == "why");
    });
}

TEST_CASE("TG10, TG11: cancelled from outside and a child fails: the group is thrown, and the cancellation is not lost") {
    everywhere([]() -> aya::task<> {
        for (bool const body_waits : {true, false}) {
            trace t;
            auto body = [&](aya::task_group& group) -> aya::task<> {
                (void)group.create_task(fail_when_cancelled());
                if (body_waits)
                    co_await test::forever();
            };
            auto const h = aya::create_task(observe(body, t));
            co_await test::settle();
            h.cancel();
            co_await h;
            CHECK(t.group);
            CHECK_FALSE(t.cancelled);
            CHECK(t.count == 1);
            CHECK(t.delivered_next);
        }
    });
}

TEST_CASE("TG12: a child fails and the task is cancelled from outside in the same turn, in either order") {
    in_order([]() -> aya::task<> {
        for (bool const cancel_first : {true, false})
            for (bool const body_waits : {true, false}) {
                trace t;
                aya::event go;
                aya::task_handle<> h;
                auto failing = [&]() -> aya::task<> {
                    co_await go.wait();
                    throw std::runtime_error("no");
                };
                auto body = [&](aya::task_group& group) -> aya::task<> {
                    (void)group.create_task(failing);
                    if (body_waits)
                        co_await test::forever();
                };
                auto canceller = [&]() -> aya::task<> {
                    co_await go.wait();
                    h.cancel();
                };
                std::optional<aya::task_handle<>> c;
                if (cancel_first) {
                    c = aya::create_task(canceller);
                    co_await test::settle();
                }
                h = aya::create_task(observe(body, t));
                co_await test::settle();
                if (!cancel_first)
                    c = aya::create_task(canceller);
                co_await test::settle();
                go.set();
                co_await h;
                CHECK(t.group);
                CHECK(t.count == 1);
                CHECK(t.delivered_next);
            }
    });
}

TEST_CASE("TG20: cancelled again and again while the end waits: children are cancelled once, the count rises") {
    everywhere([]() -> aya::task<> {
        trace t;
        int delivered = 0;
        aya::event leave;
        auto child = [&]() -> aya::task<> {
            for (;;) {
                bool c = false;
                try {
                    co_await leave.wait();
                    co_return;
                } catch (aya::cancelled_error const&) {
                    c = true;
                }
                delivered += c ? 1 : 0;
            }
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(child);
            co_return;
        };
        auto const h = aya::create_task(observe(body, t));
        co_await test::settle();
        for (int i = 0; i < 4; ++i) {
            CHECK(h.cancel());
            co_await test::settle();
            CHECK_FALSE(h.done());
        }
        leave.set();
        co_await h;
        CHECK(delivered == 1);
        CHECK(t.cancelled);
        CHECK(t.count == 4);
    });
}

TEST_CASE("TG26: cancelled from outside while the end waits after the group's own abort: not lost") {
    everywhere([]() -> aya::task<> {
        trace t;
        aya::event leave;
        auto slow_child = [&]() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await leave.wait();
        };
        auto failing = []() -> aya::task<> {
            co_await aya::sleep(1ms);
            throw std::runtime_error("no");
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(slow_child);
            (void)group.create_task(failing);
            co_return;
        };
        auto const h = aya::create_task(observe(body, t));
        co_await aya::sleep(5ms); // the group has aborted and waits for the slow child
        h.cancel();
        co_await test::settle();
        CHECK_FALSE(h.done());
        leave.set();
        co_await h;
        CHECK(t.group);
        CHECK(t.count == 1);
        CHECK(t.delivered_next);
    });
}

TEST_CASE("TG3: the task is cancelled before the group's block begins: nothing of it runs") {
    in_order([]() -> aya::task<> {
        bool ran = false;
        auto body = [&](aya::task_group&) -> aya::task<> {
            ran = true;
            co_return;
        };
        auto const h = aya::create_task(aya::with_task_group(body));
        h.cancel();
        co_await test::settle();
        CHECK(h.cancelled());
        CHECK_FALSE(ran);
    });
}

// Only a task can run a block, and only the block makes a group.
static_assert(!std::is_default_constructible_v<aya::task_group> && !std::is_copy_constructible_v<aya::task_group>);

TEST_CASE("TG21: a block is entered once") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::task_group&) -> aya::task<> { co_return; };
        aya::task<> block = aya::with_task_group(body);
        co_await std::move(block);
        bool const refused = co_await test::throws<aya::invalid_state_error>(std::move(block));
        CHECK(refused);
    });
}

TEST_CASE("TG24: the parent cannot be done before its children, however it is cancelled: so none fails without a parent") {
    everywhere([]() -> aya::task<> {
        bool child_ended = false;
        bool group_threw = false;
        auto child = [&]() -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await aya::sleep(10ms); // longer than the parent is asked to stop
            child_ended = true;
            throw std::runtime_error("late");
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(child);
            co_await test::forever();
        };
        auto parent = [&]() -> aya::task<> {
            try {
                co_await aya::with_task_group(body);
            } catch (aya::exception_group const& g) {
                group_threw = child_ended && g.exceptions().size() == 1;
            }
        };
        auto const h = aya::create_task(parent);
        for (int i = 0; i < 3; ++i) {
            co_await test::settle();
            h.cancel();
        }
        (void)co_await aya::wait(std::vector<aya::task_handle<>>(1, h));
        CHECK(child_ended);
        CHECK(group_threw);
    });
}

TEST_CASE("TG25: cancel() of a group ends children and body, and the block throws nothing; again, or too late, it does nothing") {
    everywhere([]() -> aya::task<> {
        int cancelled = 0;
        aya::task_group* kept = nullptr;
        auto child = [&]() -> aya::task<> {
            if (co_await test::throws<aya::cancelled_error>(test::forever()))
                throw aya::cancelled_error();
        };
        std::vector<aya::task_handle<>> children;
        auto body = [&](aya::task_group& group) -> aya::task<> {
            kept = &group;
            for (int i = 0; i < 3; ++i)
                children.push_back(group.create_task(child));
            co_await test::settle();
            group.cancel();
            group.cancel();
            CHECK_THROWS_AS((void)group.create_task(child), aya::invalid_state_error);
            co_await test::forever();
        };
        co_await aya::with_task_group(body);
        for (auto const& c : children)
            cancelled += c.cancelled() ? 1 : 0;
        CHECK(cancelled == 3);
        CHECK(aya::current_task().cancelling() == 0);
        co_await aya::yield();

        // By a child, while the body is over already; then by the body without a suspension after it.
        auto by_child = [](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(test::forever());
            (void)group.create_task([](aya::task_group& g) -> aya::task<> {
                co_await aya::yield();
                g.cancel();
            }, std::ref(group));
            co_return;
        };
        co_await aya::with_task_group(by_child);
        auto at_once = [](aya::task_group& group) -> aya::task<int> {
            group.cancel();
            co_return 7;
        };
        int const value = co_await aya::with_task_group(at_once);
        CHECK(value == 7);
        co_await aya::yield();

        // A body with a result that is cut short has none.
        auto cut = [](aya::task_group& group) -> aya::task<int> {
            group.cancel();
            co_await aya::yield();
            co_return 7;
        };
        bool const none = co_await test::throws<aya::cancelled_error>(aya::with_task_group(cut));
        CHECK(none);
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TG25: a cancellation from outside is not taken for the group's own") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::task_group& group) -> aya::task<> {
            group.cancel();
            aya::current_task().cancel("from outside");
            co_await test::forever();
        };
        auto parent = [&]() -> aya::task<> { co_await aya::with_task_group(body); };
        auto const h = aya::create_task(parent);
        (void)co_await aya::wait(std::vector<aya::task_handle<>>(1, h));
        CHECK(h.cancelled());
    });
}
