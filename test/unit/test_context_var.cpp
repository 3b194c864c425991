// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

using test::everywhere;

TEST_CASE("context_var: values, defaults, and where there is neither") {
    everywhere([]() -> aya::task<> {
        aya::context_var<std::string> name;
        aya::context_var<std::string> title("none");
        CHECK_THROWS_AS((void)name.get(), std::out_of_range);
        CHECK(name.get("nobody") == "nobody");
        CHECK(title.get() == "none");
        CHECK(title.get("other") == "other");
        name.set("a");
        title.set("b");
        CHECK(name.get() == "a");
        CHECK(name.get("nobody") == "a");
        CHECK(title.get() == "b");
        co_return;
    });
}

TEST_CASE("context_var: a token takes a change back, once, in its own task, for its own variable") {
    everywhere([]() -> aya::task<> {
        aya::context_var<int> a;
        aya::context_var<int> b;
        auto first = a.set(1);
        CHECK_FALSE(first.old_value());
        auto second = a.set(2);
        CHECK(second.old_value() == 1);
        auto other = b.set(3);
        CHECK_THROWS_AS(a.reset(other), std::invalid_argument);
        auto reset_elsewhere = [&]() -> aya::task<> {
            a.reset(second);
            co_return;
        };
        auto const elsewhere = aya::create_task(reset_elsewhere);
        bool const refused = co_await test::throws<std::invalid_argument>(elsewhere);
        CHECK(refused);
        CHECK(a.get() == 2);
        a.reset(second);
        CHECK(a.get() == 1);
        CHECK_THROWS_AS(a.reset(second), aya::invalid_state_error);
        a.reset(std::move(first));
        CHECK_THROWS_AS((void)a.get(), std::out_of_range);
        CHECK(b.get() == 3);
        b.reset(other);
        CHECK(b.get(-1) == -1);
    });
}

TEST_CASE("context_var: a token that was moved from counts as used") {
    everywhere([]() -> aya::task<> {
        aya::context_var<int> a(0);
        a.set(1);
        auto token = a.set(5);
        auto moved = std::move(token);
        CHECK_THROWS_AS(a.reset(token), aya::invalid_state_error);
        CHECK(a.get() == 5);
        token = std::move(moved);
        CHECK_THROWS_AS(a.reset(moved), aya::invalid_state_error);
        a.reset(token);
        CHECK(a.get() == 1);
        co_return;
    });
}

TEST_CASE("context_var: values go when the last task that has them goes") {
    everywhere([]() -> aya::task<> {
        test::census census;
        aya::context_var<test::census::resident> v;
        auto inner = [&]() -> aya::task<> {
            v.set(census.make());
            CHECK(census.live() == 1);
            auto child_body = [&]() -> aya::task<> {
                v.set(census.make());
                co_await aya::yield();
                v.set(census.make());
            };
            auto child = aya::create_task(child_body);
            co_await child;
            CHECK(census.live() == 2);
            child = {};
        };
        auto outer = aya::create_task(inner);
        co_await outer;
        outer = {};
        co_await test::settle();
        CHECK(census.live() == 0);
        CHECK(census.ever() >= 3);
    });
}

TEST_CASE("context_var: a value whose destructor looks at the current task finds none that is about to go") {
    everywhere([]() -> aya::task<> {
        struct nosy {
            bool* found_task;
            aya::context_var<int>* other;
            ~nosy() {
                try {
                    (void)aya::current_task();
                    (void)other->get(0);
                } catch (aya::invalid_state_error const&) {
                    *found_task = false;
                }
            }
        };
        aya::context_var<int> other;
        aya::context_var<std::shared_ptr<nosy>> v;
        bool found_task = true;
        auto body = [&]() -> aya::task<> {
            other.set(1);
            v.set(std::shared_ptr<nosy>(new nosy{&found_task, &other}));
            co_return;
        };
        (void)aya::create_task(body);
        co_await test::settle();
        CHECK_FALSE(found_task);
    });
}

TEST_CASE("context_var: outside tasks every thread has its own values") {
    aya::context_var<int> v(0);
    auto mine = v.set(1);
    int elsewhere = -1;
    std::thread([&] {
        elsewhere = v.get();
        v.set(2);
    }).join();
    CHECK(elsewhere == 0);
    CHECK(v.get() == 1);
    v.reset(mine);
    CHECK(v.get() == 0);
}

TEST_CASE("context: a copy is the same context, also one that is assigned; copy() is another one") {
    aya::context_var<int> v;
    aya::context a, b;
    a.run([&] { v.set(1); });
    b.run([&] { v.set(2); });
    aya::context const c = a.copy();
    b = a;
    b.run([&] { v.set(3); });
    CHECK(a.run([&] { return v.get(); }) == 3);
    CHECK(c.run([&] { return v.get(); }) == 1);
}
