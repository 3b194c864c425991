// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using test::everywhere;

namespace {

aya::task<int> answer() { co_return 42; }
aya::task<int> fail() {
    throw std::runtime_error("no");
    co_return 0;
}
aya::task<> touch(bool& ran) {
    ran = true;
    co_return;
}
aya::task<> hold(test::census::resident resident) {
    (void)resident;
    co_await aya::yield();
}
aya::task<std::unique_ptr<int>> owned(int value) { co_return std::make_unique<int>(value); }
aya::task<int&> refer(int& value) { co_return value; }

static_assert(!std::is_copy_constructible_v<aya::task<int>>);
static_assert(std::is_nothrow_move_constructible_v<aya::task<int>>);
static_assert(std::is_nothrow_move_assignable_v<aya::task<int>>);

template <class T>
concept awaitable_as_lvalue = requires(T& t) { t.operator co_await(); };
static_assert(!awaitable_as_lvalue<aya::task<int>>);

} // namespace

TEST_CASE("task: gives its result or throws its exception to the one who awaits it") {
    everywhere([]() -> aya::task<> {
        int const a = co_await answer();
        CHECK(a == 42);
        bool const threw = co_await test::throws<std::runtime_error>(fail());
        CHECK(threw);
    });
}

TEST_CASE("task: results that only move, and references") {
    everywhere([]() -> aya::task<> {
        std::unique_ptr<int> const p = co_await owned(5);
        CHECK(*p == 5);
        int value = 1;
        int& same = co_await refer(value);
        CHECK(&same == &value);
        auto const handle = aya::create_task(refer(value));
        int& again = co_await handle;
        CHECK(&again == &value);
        auto moved = aya::create_task(owned(6));
        std::unique_ptr<int> const q = co_await std::move(moved);
        CHECK(*q == 6);
    });
}

TEST_CASE("task: one that is dropped never runs, and its parameters are destroyed") {
    bool ran = false;
    test::census census;
    {
        auto const dropped = touch(ran);
        auto const with_parameter = hold(census.make());
        CHECK(static_cast<bool>(dropped));
        CHECK(census.live() == 1);
    }
    CHECK_FALSE(ran);
    CHECK(census.live() == 0);
}

TEST_CASE("task: parameters and locals live exactly as long as the coroutine") {
    everywhere([]() -> aya::task<> {
        test::census census;
        co_await hold(census.make());
        CHECK(census.live() == 0);
        aya::event go; // another worker may take it at once
        auto held = [](test::census::resident, aya::event* until) -> aya::task<> { co_await until->wait(); };
        auto handle = aya::create_task(held(census.make(), &go));
        CHECK(census.live() == 1);
        go.set();
        co_await handle;
        CHECK(census.live() == 0); // though the handle lives
    });
}

TEST_CASE("task: awaiting one that is empty, moved from, or was awaited throws") {
    everywhere([]() -> aya::task<> {
        aya::task<int> empty;
        CHECK_FALSE(static_cast<bool>(empty));
        bool threw = co_await test::throws<aya::invalid_state_error>(std::move(empty));
        CHECK(threw);

        aya::task<int> t = answer();
        aya::task<int> other = std::move(t);
        CHECK_FALSE(static_cast<bool>(t));
        threw = false;
        try {
            (void)co_await std::move(t);
        } catch (aya::invalid_state_error const&) {
            threw = true;
        }
        CHECK(threw);

        int const value = co_await std::move(other);
        CHECK(value == 42);
        CHECK_FALSE(static_cast<bool>(other));
        threw = false;
        try {
            (void)co_await std::move(other);
        } catch (aya::invalid_state_error const&) {
            threw = true;
        }
        CHECK(threw);
    });
}

TEST_CASE("task: move assignment drops what was there") {
    test::census census;
    auto t = hold(census.make());
    t = hold(census.make());
    CHECK(census.live() == 1);
    t = aya::task<>();
    CHECK(census.live() == 0);
}

TEST_CASE("task: scheduling an empty one is refused") {
    everywhere([]() -> aya::task<> {
        CHECK_THROWS_AS((void)aya::create_task(aya::task<int>()), aya::invalid_state_error);
        co_return;
    });
}

TEST_CASE("task: an exception of the result's move constructor is the task's exception") {
    struct explosive {
        explosive() = default;
        explosive(explosive&& other) : armed(other.armed) {
            if (armed)
                throw std::runtime_error("move");
        }
        bool armed = false;
    };
    everywhere([]() -> aya::task<> {
        auto make = []() -> aya::task<explosive> {
            explosive e;
            e.armed = true;
            co_return e;
        };
        bool const threw = co_await test::throws<std::runtime_error>(aya::create_task(make));
        CHECK(threw);
    });
}

namespace {

// Looks around when it goes: who runs then, and whether a task that it starts there runs to its end.
struct last_words {
    last_words(std::string& n, std::atomic<int>& s) : name(&n), started(&s) {}
    last_words(last_words&& other) noexcept : name(std::exchange(other.name, nullptr)), started(other.started) {}
    ~last_words() {
        if (name == nullptr)
            return;
        *name = aya::current_task().name();
        auto count = [](std::atomic<int>* begun) -> aya::task<> {
            ++*begun;
            co_return;
        };
        aya::create_task({.eager_start = true}, count, started);
    }
    std::string* name;
    std::atomic<int>* started; // two children may go at once, on two workers
};

aya::task<int> speak(last_words, int result, char const* name = nullptr) {
    if (name != nullptr)
        aya::current_task().set_name(name);
    co_return result;
}

} // namespace

TEST_CASE("task: a coroutine's parameters go before its task ends, and it is still the current task") {
    everywhere([]() -> aya::task<> {
        std::string spoken;
        std::atomic<int> started = 0;
        aya::task_handle<int> const h = aya::create_task(speak(last_words(spoken, started), 7), {.name = "speaker"});
        CHECK(co_await h == 7);
        CHECK(spoken == "speaker");
        CHECK(started == 1);

        // Children of a gather: those that nobody knows until then too.
        std::string first, second;
        auto const [a, b] = co_await aya::gather(speak(last_words(first, started), 1, "named"), speak(last_words(second, started), 2));
        CHECK(a * 10 + b == 12);
        CHECK(first == "named");
        CHECK(!second.empty());
        CHECK(second != first);
        CHECK(second != aya::current_task().name());
        CHECK(started == 3);
    });
}
