// SPDX-License-Identifier: Apache-2.0
// The contract's section 9: how a group waits, and what it throws. Cancellation from outside is in test_task_group_cancel.cpp.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<> fail_after(std::chrono::milliseconds d, char const* text) {
    co_await aya::sleep(d);
    throw std::runtime_error(text);
}

/// The texts of what a group's block throws, in order; "(...)" around those of a nested group; empty if it throws nothing.
std::string describe(aya::exception_group const& group) {
    std::string text;
    for (auto const& e : group.exceptions()) {
        try {
            std::rethrow_exception(e);
        } catch (aya::exception_group const& nested) {
            text += "(" + describe(nested) + ")";
        } catch (std::exception const& plain) {
            text += std::string(plain.what()) + " ";
        }
    }
    return text;
}

template <class F>
aya::task<std::string> errors_of(F body) {
    try {
        co_await aya::with_task_group(body);
    } catch (aya::exception_group const& g) {
        co_return describe(g);
    }
    co_return "";
}

} // namespace

TEST_CASE("TG1: the end waits for all children, those added meanwhile and those added by children too") {
    everywhere([]() -> aya::task<> {
        std::atomic<int> ended{0};
        struct chain {
            static aya::task<> next(aya::task_group& group, int left, std::atomic<int>& ended) {
                co_await aya::sleep(1ms);
                if (left != 0)
                    (void)group.create_task(next(group, left - 1, ended));
                ended.fetch_add(1);
            }
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(chain::next(group, 9, ended));
            co_return;
        };
        co_await aya::with_task_group(body);
        CHECK(ended.load() == 10);
        CHECK(aya::now() == aya::time_point(10ms));
    });
}

TEST_CASE("TG2: the end of an empty group, or one whose children are done, does not suspend; else it does") {
    in_order([]() -> aya::task<> {
        bool other_ran = false;
        auto other_body = [&]() -> aya::task<> {
            other_ran = true;
            co_return;
        };
        auto const other = aya::create_task(other_body);
        auto empty = [](aya::task_group&) -> aya::task<> { co_return; };
        co_await aya::with_task_group(empty);
        CHECK_FALSE(other_ran);
        auto one_child = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(other_body);
            co_return;
        };
        co_await aya::with_task_group(one_child);
        CHECK(other_ran);
        co_await other;
    });
}

TEST_CASE("TG3: the first failure cancels the other children once, and the body where it waits") {
    everywhere([]() -> aya::task<> {
        std::vector<aya::task_handle<>> siblings;
        bool body_cancelled = false;
        auto body = [&](aya::task_group& group) -> aya::task<> {
            for (int i = 0; i < 3; ++i)
                siblings.push_back(group.create_task(test::forever()));
            (void)group.create_task(fail_after(1ms, "no"));
            try {
                co_await test::forever();
            } catch (aya::cancelled_error const&) {
                body_cancelled = true;
                throw;
            }
        };
        std::string const errors = co_await errors_of(body);
        CHECK(errors == "no ");
        CHECK(body_cancelled);
        for (auto const& s : siblings) {
            CHECK(s.cancelled());
            CHECK(s.cancelling() == 1);
        }
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TG4: children that fail while they are cancelled are added, in the order of their ends, the body's exception last") {
    everywhere([]() -> aya::task<> {
        auto fail_when_cancelled = [](std::chrono::milliseconds d, char const* text) -> aya::task<> {
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await aya::sleep(d);
            throw std::runtime_error(text);
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_when_cancelled, 3ms, "third");
            (void)group.create_task(fail_after(1ms, "first"));
            (void)group.create_task(fail_when_cancelled, 2ms, "second");
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            throw std::runtime_error("body");
        };
        std::string const errors = co_await errors_of(body);
        CHECK(errors == "first second third body ");
    });
}

TEST_CASE("TG5: a child that is cancelled, or throws cancelled_error by itself, is no failure") {
    everywhere([]() -> aya::task<> {
        auto raise = []() -> aya::task<> {
            throw aya::cancelled_error();
            co_return;
        };
        bool sibling_ended = false;
        auto sibling = [&]() -> aya::task<> {
            co_await aya::sleep(5ms);
            sibling_ended = true;
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(raise);
            (void)group.create_task(sibling);
            auto const victim = group.create_task(test::forever());
            co_await aya::sleep(1ms);
            victim.cancel();
            co_await aya::sleep(1ms);
        };
        std::string const errors = co_await errors_of(body);
        CHECK(errors.empty());
        CHECK(sibling_ended);
    });
}

TEST_CASE("TG6: failures always come as a group, one too; groups nest") {
    everywhere([]() -> aya::task<> {
        auto inner_body = [](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_after(1ms, "inner"));
            co_return;
        };
        auto nested = [&]() -> aya::task<> { co_await aya::with_task_group(inner_body); };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(nested);
            co_return;
        };
        std::string const errors = co_await errors_of(body);
        CHECK(errors == "(inner )");
    });
}

TEST_CASE("TG7: the body's own exception cancels the children and is in the group") {
    everywhere([]() -> aya::task<> {
        std::optional<aya::task_handle<>> child;
        auto body = [&](aya::task_group& group) -> aya::task<> {
            child = group.create_task(test::forever());
            co_await aya::sleep(1ms);
            throw std::out_of_range("body");
        };
        std::string const errors = co_await errors_of(body);
        CHECK(errors == "body ");
        CHECK(child->cancelled());
        CHECK(aya::current_task().cancelling() == 0);
    });
}

TEST_CASE("TG8, TG13: the group's own cancellation of the body is swallowed: the next suspension is normal, the count zero") {
    everywhere([]() -> aya::task<> {
        for (bool const body_waits : {true, false}) {
            auto body = [&](aya::task_group& group) -> aya::task<> {
                (void)group.create_task(fail_after(1ms, "no"));
                if (body_waits)
                    co_await test::forever();
            };
            std::string const errors = co_await errors_of(body);
            CHECK(errors == "no ");
            CHECK(aya::current_task().cancelling() == 0);
            co_await aya::yield();
            co_await aya::sleep(1ms);
        }
    });
}

TEST_CASE("TG14: an inner and an outer group both fail: the inner one throws its group, then the outer one's cancellation comes") {
    in_order([]() -> aya::task<> {
        aya::event go;
        auto fail_at_go = [&](char const* text) -> aya::task<> {
            co_await go.wait();
            throw std::runtime_error(text);
        };
        std::string inner_errors;
        std::uint32_t between = 99;
        bool cancelled_next = false;
        auto inner_body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_at_go, "inner");
            co_await test::forever();
        };
        auto outer_body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_at_go, "outer");
            inner_errors = co_await errors_of(inner_body);
            between = aya::current_task().cancelling();
            cancelled_next = true;
            co_await aya::yield();
            cancelled_next = false;
        };
        auto opener_body = [&]() -> aya::task<> {
            co_await test::settle();
            go.set();
        };
        auto const opener = aya::create_task(opener_body);
        std::string const errors = co_await errors_of(outer_body);
        CHECK(inner_errors == "inner ");
        CHECK(between == 1);
        CHECK(cancelled_next);
        CHECK(errors == "outer ");
        CHECK(aya::current_task().cancelling() == 0);
        co_await aya::yield();
        co_await opener;
    });
}

TEST_CASE("TG16: a body that swallows the group's cancellation goes on; the failure comes at the end") {
    everywhere([]() -> aya::task<> {
        bool went_on = false;
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_after(1ms, "no"));
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await aya::sleep(5ms);
            went_on = true;
        };
        std::string const errors = co_await errors_of(body);
        CHECK(errors == "no ");
        CHECK(went_on);
        CHECK(aya::now() == aya::time_point(6ms));
    });
}

TEST_CASE("TG17: a body that awaits the failing child: its exception is in the group once") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::task_group& group) -> aya::task<> {
            auto const child = group.create_task(fail_after(1ms, "once"));
            co_await child;
        };
        for (int i = 0; i < 50; ++i) {
            std::string const errors = co_await errors_of(body);
            CHECK(errors == "once ");
            CHECK(aya::current_task().cancelling() == 0);
            co_await aya::yield();
        }
    });
}

TEST_CASE("TG17: ... also when it swallows the group's cancellation and asks the child afterwards") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::task_group& group) -> aya::task<> {
            auto const child = group.create_task(fail_after(1ms, "once"));
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            co_await child; // done: throws what the group has already
        };
        std::string const errors = co_await errors_of(body);
        CHECK(errors == "once ");
    });
}

TEST_CASE("TG18: a group that shuts down takes no more children; the task is dropped without running") {
    everywhere([]() -> aya::task<> {
        bool ran = false;
        test::census census;
        auto late = [&](test::census::resident) -> aya::task<> {
            ran = true;
            co_return;
        };
        bool refused_in_body = false;
        bool refused_in_child = false;
        auto body = [&](aya::task_group& group) -> aya::task<> {
            auto child_body = [&]() -> aya::task<> {
                (void)co_await test::throws<aya::cancelled_error>(test::forever());
                try {
                    (void)group.create_task(late, census.make());
                } catch (aya::invalid_state_error const&) {
                    refused_in_child = true;
                }
            };
            auto const child = group.create_task(child_body);
            (void)group.create_task(fail_after(1ms, "no"));
            (void)co_await test::throws<aya::cancelled_error>(test::forever());
            try {
                (void)group.create_task(late, census.make());
            } catch (aya::invalid_state_error const&) {
                refused_in_body = true;
            }
            co_await child;
        };
        std::string const errors = co_await errors_of(body);
        CHECK(errors == "no ");
        CHECK(refused_in_body);
        CHECK(refused_in_child);
        CHECK_FALSE(ran);
        CHECK(census.live() == 0);
    });
}

TEST_CASE("TG19: create_task is fine while the end waits and a child is alive") {
    everywhere([]() -> aya::task<> {
        bool ran = false;
        auto grandchild = [&]() -> aya::task<> {
            co_await aya::sleep(1ms);
            ran = true;
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            auto child = [&]() -> aya::task<> {
                co_await aya::sleep(5ms); // the body has ended by now
                (void)group.create_task(grandchild);
            };
            (void)group.create_task(child);
            co_return;
        };
        co_await aya::with_task_group(body);
        CHECK(ran);
    });
}

TEST_CASE("TG22: a timeout around a group gives timeout_error; inside its body, a group of it") {
    everywhere([]() -> aya::task<> {
        std::optional<aya::task_handle<>> child;
        auto waiting = [&](aya::task_group& group) -> aya::task<> {
            child = group.create_task(test::forever());
            co_return;
        };
        auto grouped = [&]() -> aya::task<> { co_await aya::with_task_group(waiting); };
        bool const late = co_await test::throws<aya::timeout_error>(aya::timeout(5ms, grouped));
        CHECK(late);
        CHECK(child->cancelled());
        CHECK(aya::current_task().cancelling() == 0);

        auto timed = [&](aya::task_group& group) -> aya::task<> {
            child = group.create_task(test::forever());
            co_await aya::timeout(5ms, test::forever);
        };
        std::string const errors = co_await errors_of(timed);
        CHECK(errors == "timed out ");
        CHECK(child->cancelled());
    });
}

TEST_CASE("TG23: children created by another task, and by a thread, belong to the group") {
    everywhere([]() -> aya::task<> {
        std::atomic<int> ended{0};
        auto child = [&]() -> aya::task<> {
            co_await aya::sleep(5ms);
            ended.fetch_add(1);
        };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            auto helper = [&]() -> aya::task<> {
                (void)group.create_task(child);
                co_return;
            };
            auto const h = aya::create_task(helper);
            co_await h;
            auto foreign = [&] { (void)group.create_task(child); };
            co_await aya::to_thread(foreign);
        };
        co_await aya::with_task_group(body);
        CHECK(ended.load() == 2);
    });
}

TEST_CASE("TG28: exceptions are split by type, keep their nesting, and the rest is thrown on") {
    everywhere([]() -> aya::task<> {
        auto out_of_range = []() -> aya::task<> {
            co_await aya::sleep(1ms);
            throw std::out_of_range("o");
        };
        auto inner_body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(out_of_range);
            (void)group.create_task(fail_after(1ms, "r"));
            co_return;
        };
        auto nested = [&]() -> aya::task<> { co_await aya::with_task_group(inner_body); };
        auto body = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(nested);
            co_return;
        };
        int handled = 0;
        std::string rest;
        try {
            co_await aya::with_task_group(body);
        } catch (aya::exception_group const& g) {
            try {
                g.handle<std::out_of_range>([&](std::out_of_range const&) { ++handled; });
            } catch (aya::exception_group const& left) {
                rest = describe(left);
            }
        }
        // The second one may end before it is cancelled, or be cancelled.
        CHECK(handled <= 1);
        CHECK((handled == 1 || rest == "(r )"));
    });
}

TEST_CASE("TG29: three nested groups, a child of the outermost fails: only that one throws") {
    everywhere([]() -> aya::task<> {
        std::string text = "none";
        bool inner_cancelled = false;
        auto innermost = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(test::forever());
            co_await test::forever();
        };
        auto middle = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(test::forever());
            try {
                co_await aya::with_task_group(innermost);
            } catch (aya::cancelled_error const&) {
                inner_cancelled = true;
                throw;
            }
        };
        auto outermost = [&](aya::task_group& group) -> aya::task<> {
            (void)group.create_task(fail_after(1ms, "outer"));
            co_await aya::with_task_group(middle);
        };
        std::string const errors = co_await errors_of(outermost);
        CHECK(errors == "outer ");
        CHECK(inner_cancelled);
        CHECK(aya::current_task().cancelling() == 0);
        co_await aya::yield();
    });
}

TEST_CASE("task_group: an empty task is refused, and the group still ends") {
    everywhere([]() -> aya::task<> {
        auto body = [](aya::task_group& group) -> aya::task<> {
            CHECK_THROWS_AS((void)group.create_task(aya::task<int>()), aya::invalid_state_error);
            co_return;
        };
        co_await aya::with_task_group(body);
    });
}

TEST_CASE("TG17: a body that gathers the child that fails gets the group's cancellation, as one that awaits it does") {
    in_order([]() -> aya::task<> {
        bool cancelled = false;
        auto body = [](aya::task_group& group, bool* seen) -> aya::task<> {
            auto failing = []() -> aya::task<int> {
                co_await aya::yield();
                throw std::runtime_error("child");
            };
            std::vector<aya::task_handle<int>> children;
            children.push_back(group.create_task(failing));
            try {
                co_await aya::gather(children);
            } catch (aya::cancelled_error const&) {
                *seen = true;
                throw;
            }
        };
        bool const failed = co_await test::throws<aya::exception_group>(aya::with_task_group(body, &cancelled));
        CHECK(failed);
        CHECK(cancelled);
    });
}
