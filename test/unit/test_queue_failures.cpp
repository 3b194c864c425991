// SPDX-License-Identifier: Apache-2.0
// No item and no cancellation is lost when memory is short or a comparison throws.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

using test::in_order;

namespace {

/// An item for whose storage there is no memory while `short_of_memory` is set. Not assignable either.
struct rare {
    int const number;
};
bool short_of_memory = false;

/// A comparison that throws the next `confusions` times.
int confusions = 0;
struct fickle {
    bool operator()(int a, int b) const {
        if (confusions > 0) {
            --confusions;
            throw std::runtime_error("cannot compare");
        }
        return a < b;
    }
};

} // namespace

template <>
struct std::allocator<rare> {
    using value_type = rare;
    rare* allocate(std::size_t n) {
        if (short_of_memory)
            throw std::bad_alloc();
        return static_cast<rare*>(::operator new(n * sizeof(rare)));
    }
    void deallocate(rare* p, std::size_t) noexcept { ::operator delete(p); }
};

namespace {

/// Gets one item, says so, and waits for an event: the next suspension.
template <class Queue>
aya::task<> get_then_wait(Queue& q, std::vector<int>& got, aya::event& later) {
    auto const item = co_await q.get();
    if constexpr (requires { item.number; })
        got.push_back(item.number);
    else
        got.push_back(item);
    co_await later.wait();
}

} // namespace

TEST_CASE("queue: an item that cannot be given back for want of memory is got, and the cancellation waits") {
    in_order([]() -> aya::task<> {
        aya::queue<rare> q;
        aya::event later;
        std::vector<int> got;
        auto const getter = aya::create_task(get_then_wait(q, got, later));
        co_await test::settle();
        q.put_nowait(rare{7});
        getter.cancel("stop");
        short_of_memory = true;
        co_await test::settle();
        short_of_memory = false;
        CHECK(got == std::vector<int>{7});
        CHECK(getter.cancelled());
        CHECK(q.empty());
        CHECK(getter.cancelling() == 1);
    });
}

TEST_CASE("queue: a put without memory stores nothing, throws, and passes its place on") {
    in_order([]() -> aya::task<> {
        aya::queue<rare> q(1);
        short_of_memory = true;
        CHECK_THROWS_AS(q.put_nowait(rare{1}), std::bad_alloc);
        bool const refused = co_await test::throws<std::bad_alloc>(
            aya::create_task([](aya::queue<rare>& to) -> aya::task<> { co_await to.put(rare{2}); }, std::ref(q)));
        short_of_memory = false;
        CHECK(refused);
        CHECK(q.empty());
        q.put_nowait(rare{3});
        rare const got = q.get_nowait();
        CHECK(got.number == 3);
        q.task_done();
        CHECK_THROWS_AS(q.task_done(), aya::invalid_state_error);
    });
}

TEST_CASE("priority_queue: a comparison that throws changes nothing") {
    in_order([]() -> aya::task<> {
        aya::priority_queue<int, fickle> q;
        for (int const i : {5, 3, 8, 1, 9, 2})
            q.put_nowait(i);
        confusions = 4;
        CHECK_THROWS_AS(q.put_nowait(0), std::runtime_error);
        CHECK_THROWS_AS((void)q.get_nowait(), std::runtime_error);
        auto get = [](aya::priority_queue<int, fickle>& from) -> aya::task<int> { co_return co_await from.get(); };
        auto put = [](aya::priority_queue<int, fickle>& to) -> aya::task<> { co_await to.put(0); };
        bool const get_threw = co_await test::throws<std::runtime_error>(get(q));
        bool const put_threw = co_await test::throws<std::runtime_error>(put(q));
        CHECK(get_threw);
        CHECK(put_threw);
        CHECK(confusions == 0);
        for (int const i : {1, 2, 3, 5, 8, 9})
            CHECK(q.get_nowait() == i);
        CHECK(q.empty());
    });
}

TEST_CASE("priority_queue: a putter whose comparison throws passes its reserved place on") {
    in_order([]() -> aya::task<> {
        aya::priority_queue<int, fickle> q(2);
        q.put_nowait(1);
        q.put_nowait(2);
        auto put = [](aya::priority_queue<int, fickle>& to, int i) -> aya::task<> { co_await to.put(i); };
        auto const first = aya::create_task(put(q, 3));
        auto const second = aya::create_task(put(q, 4));
        co_await test::settle();
        CHECK(q.get_nowait() == 1); // a place is kept for the first
        confusions = 1;
        bool const threw = co_await test::throws<std::runtime_error>(first);
        CHECK(confusions == 0);
        CHECK(threw);
        co_await test::settle();
        CHECK(second.done());
        CHECK(q.get_nowait() == 2);
        CHECK(q.get_nowait() == 4);
    });
}

TEST_CASE("priority_queue: an item that cannot be given back since the comparison throws is got") {
    in_order([]() -> aya::task<> {
        aya::priority_queue<int, fickle> q;
        aya::event later;
        std::vector<int> got;
        auto const getter = aya::create_task(get_then_wait(q, got, later));
        co_await test::settle();
        q.put_nowait(7); // handed over
        q.put_nowait(1); // stored
        getter.cancel();
        confusions = 1;
        co_await test::settle();
        CHECK(confusions == 0);
        CHECK(got == std::vector<int>{7});
        CHECK(getter.cancelled());
        CHECK(q.get_nowait() == 1);
    });
}
