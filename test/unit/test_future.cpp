// SPDX-License-Identifier: Apache-2.0
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using test::everywhere;
using namespace std::chrono_literals;

TEST_CASE("future: set from another task, awaited by several, any number of times") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        aya::future<int> const f = p.get_future();
        auto reader = [](aya::future<int> source) -> aya::task<int> {
            int const first = co_await source;
            int const again = co_await source;
            co_return first + again;
        };
        auto const a = aya::create_task(reader, f);
        auto const b = aya::create_task(reader, f);
        co_await test::settle();
        CHECK_FALSE(f.done());
        CHECK_THROWS_AS((void)f.result(), aya::invalid_state_error);
        p.set_value(4);
        CHECK(f.done());
        CHECK(f.result() == 4);
        int const sum = co_await a + co_await b;
        CHECK(sum == 16);
    });
}

TEST_CASE("future: of void, of a reference, of what only moves") {
    everywhere([]() -> aya::task<> {
        aya::promise<> const nothing;
        nothing.set_value();
        co_await nothing.get_future();
        int target = 0;
        aya::promise<int&> const reference;
        reference.set_value(target);
        int& same = co_await reference.get_future();
        CHECK(&same == &target);
        aya::promise<std::unique_ptr<int>> const owner;
        owner.set_value(std::make_unique<int>(7));
        std::unique_ptr<int> const taken = co_await owner.get_future();
        CHECK(*taken == 7);
    });
}

TEST_CASE("promise: once it is done, setting is refused, or said to have failed, with and without a value; moved over itself it stays") {
    everywhere([]() -> aya::task<> {
        aya::promise<> nothing;
        CHECK(nothing.try_set_value());
        CHECK_FALSE(nothing.try_set_value());
        CHECK_FALSE(nothing.cancel());
        CHECK_THROWS_AS(nothing.set_value(), aya::invalid_state_error);
        aya::promise<int> some;
        aya::promise<int>& same = some;
        some = std::move(same);
        CHECK(some);
        some.set_value(1);
        CHECK_FALSE(some.try_set_value(2));
        CHECK_THROWS_AS(some.set_value(3), aya::invalid_state_error);
        CHECK_THROWS_AS(some.set_exception(std::make_exception_ptr(std::runtime_error("late"))), aya::invalid_state_error);
        int const kept = co_await some.get_future();
        CHECK(kept == 1);
    });
}

TEST_CASE("future: a promise that goes unset breaks it, one that was set does not") {
    everywhere([]() -> aya::task<> {
        std::optional<aya::promise<int>> p(std::in_place);
        aya::future<int> const f = p->get_future();
        auto const waiter = aya::create_task([](aya::future<int> g) -> aya::task<int> { co_return co_await g; }, f);
        co_await test::settle();
        p.reset();
        bool const broken = co_await test::throws<aya::broken_promise>(waiter);
        CHECK(broken);
        CHECK(f.done());
        p.emplace();
        aya::future<int> const g = p->get_future();
        p->set_value(1);
        p.reset();
        CHECK(g.result() == 1);
        aya::promise<int> a;
        aya::future<int> const of_a = a.get_future();
        a = aya::promise<int>(); // the old one is dropped
        CHECK(of_a.done());
        aya::promise<int> const b = std::move(a);
        CHECK_FALSE(static_cast<bool>(a)); // NOLINT: that is the point
        CHECK_THROWS_AS(a.set_value(1), aya::invalid_state_error);
        CHECK_FALSE(b.done());
    });
}

TEST_CASE("future: a result whose construction fails leaves it pending") {
    everywhere([]() -> aya::task<> {
        struct picky {
            explicit picky(int v) : value(v) {
                if (v < 0)
                    throw std::domain_error("negative");
            }
            int value;
        };
        aya::promise<picky> const p;
        CHECK_THROWS_AS(p.set_value(-1), std::domain_error);
        CHECK_FALSE(p.done());
        p.set_value(2);
        picky const& got = co_await p.get_future();
        CHECK(got.value == 2);
        CHECK_THROWS_AS(p.set_exception(nullptr), std::invalid_argument);
    });
}

TEST_CASE("future: wherever a handle goes") {
    everywhere([]() -> aya::task<> {
        aya::promise<int> const p;
        aya::promise<int> const late;
        auto set = [&]() -> aya::task<int> {
            co_await aya::sleep(1ms);
            p.set_value(3);
            co_return 4;
        };
        auto [a, b] = co_await aya::gather(p.get_future(), set());
        CHECK(a + b == 7);
        int const c = co_await aya::shield(p.get_future());
        int const d = co_await aya::wait_for(p.get_future(), 1s);
        CHECK(c + d == 6);
        bool const timed_out = co_await test::throws<aya::timeout_error>(aya::wait_for(late.get_future(), 1ms));
        CHECK(timed_out);
        CHECK(late.cancelled()); // as wait_for() does it to a task
        aya::promise<int> const kept;
        bool const left = co_await test::throws<aya::timeout_error>(aya::wait_for(aya::shield(kept.get_future()), 1ms));
        CHECK(left);
        CHECK_FALSE(kept.done());
        std::vector<aya::future<int>> both{p.get_future(), p.get_future()};
        std::vector<int> const values = co_await aya::gather(both);
        CHECK(values.size() == 2);
    });
}

TEST_CASE("future: set by a thread that no runtime knows; two who set at once are told apart") {
    test::on_every_runtime([](aya::runtime& rt) {
        for (int i = 0; i < 50; ++i) {
            aya::promise<std::string> const p(rt);
            std::atomic<int> winners{0};
            test::thread_crew crew;
            for (char const* const text : {"a", "b"})
                crew.add([&, text] { winners.fetch_add(p.try_set_value(text) ? 1 : 0); });
            crew.add([&] { winners.fetch_add(p.cancel() ? 1 : 0); });
            auto wait = [](aya::future<std::string> f) -> aya::task<bool> {
                try {
                    co_return (co_await f).size() == 1;
                } catch (aya::cancelled_error const&) {
                    co_return f.cancelled();
                }
            };
            CHECK(rt.block_on(wait, p.get_future()));
            crew.join();
            CHECK(winners.load() == 1);
        }
    });
}

TEST_CASE("future: the promise may be destroyed by who was waiting, and may outlive its runtime") {
    std::optional<aya::promise<int>> survivor;
    aya::future<int> f;
    test::on_every_runtime([&](aya::runtime& rt) {
        auto p = std::make_unique<aya::promise<int>>(rt);
        test::thread_crew crew;
        crew.add([raw = p.get()] { raw->set_value(1); });
        auto wait = [](std::unique_ptr<aya::promise<int>> owned) -> aya::task<int> {
            int const value = co_await owned->get_future();
            owned.reset();
            co_return value;
        };
        CHECK(rt.block_on(wait, std::move(p)) == 1);
        survivor.emplace(rt);
        f = survivor->get_future();
    });
    if (survivor) {
        survivor->set_value(2);
        CHECK(f.result() == 2);
    }
}

TEST_CASE("promise: outside a runtime it needs one") { CHECK_THROWS_AS((void)aya::promise<int>(), aya::invalid_state_error); }

TEST_CASE("wrap_future: of tasks that are done already, of void too") {
    aya::runtime other({.workers = 1});
    auto const nothing = aya::run_coroutine_threadsafe(other, []() -> aya::task<> { co_return; });
    nothing.get();
    auto const many = aya::run_coroutine_threadsafe(other, []() -> aya::task<std::vector<int>> { co_return std::vector<int>(100); });
    CHECK(many.get().size() == 100);
    aya::runtime rt({.workers = 1});
    auto body = [](aya::concurrent_future<void> a, aya::concurrent_future<std::vector<int>> b) -> aya::task<> {
        co_await aya::wrap_future(a);
        std::vector<int> const copy = co_await aya::wrap_future(b);
        CHECK(copy.size() == 100);
    };
    rt.block_on(body(nothing, many));
}
