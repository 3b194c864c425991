// SPDX-License-Identifier: Apache-2.0
// The contract's section 12 for the other two queues, and what happens to an item that is on its way.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <utility>
#include <vector>

using test::everywhere;
using test::in_order;

namespace {

template <class Queue>
aya::task<int> get(Queue& q) {
    co_return co_await q.get();
}
template <class Queue>
aya::task<> put(Queue& q, int i) {
    co_await q.put(i);
}
aya::task<> join(aya::queue<int>& q, bool& joined) {
    co_await q.join();
    joined = true;
}

} // namespace

TEST_CASE("Q3: a lifo_queue gives the last item first, a priority_queue the smallest") {
    everywhere([]() -> aya::task<> {
        aya::lifo_queue<int> pile;
        aya::priority_queue<int> by_size;
        for (int const i : {2, 1, 3}) {
            co_await pile.put(i);
            co_await by_size.put(i);
        }
        std::vector<int> from_pile;
        std::vector<int> from_sizes;
        for (int i = 0; i < 3; ++i) {
            from_pile.push_back(co_await pile.get());
            from_sizes.push_back(co_await by_size.get());
        }
        CHECK(from_pile == std::vector<int>{3, 1, 2});
        CHECK(from_sizes == std::vector<int>{1, 2, 3});
    });
}

TEST_CASE("Q7: an item on its way to a getter that is cancelled goes back to its place by order") {
    in_order([]() -> aya::task<> {
        aya::lifo_queue<int> pile;
        aya::priority_queue<int> by_size;
        auto const a = aya::create_task(get(pile));
        auto const b = aya::create_task(get(by_size));
        co_await test::settle();
        pile.put_nowait(5); // handed over
        by_size.put_nowait(5);
        for (int const i : {4, 6}) {
            pile.put_nowait(i);
            by_size.put_nowait(i);
        }
        a.cancel();
        b.cancel();
        co_await test::settle();
        CHECK(a.cancelled());
        CHECK(b.cancelled());
        for (int const i : {5, 6, 4})
            CHECK(pile.get_nowait() == i);
        for (int const i : {4, 5, 6})
            CHECK(by_size.get_nowait() == i);
    });
}

TEST_CASE("Q7: it goes to the next getter if one waits") {
    in_order([]() -> aya::task<> {
        aya::priority_queue<int> q;
        auto const first = aya::create_task(get(q));
        auto const second = aya::create_task(get(q));
        co_await test::settle();
        q.put_nowait(1);
        first.cancel();
        int const got = co_await second;
        CHECK(got == 1);
        CHECK(first.cancelled());
        CHECK(q.empty());
    });
}

TEST_CASE("Q8: a putter that is cancelled after it was woken puts nothing") {
    in_order([]() -> aya::task<> {
        aya::lifo_queue<int> q(1);
        q.put_nowait(1);
        auto const first = aya::create_task(put(q, 2));
        auto const second = aya::create_task(put(q, 3));
        co_await test::settle();
        CHECK(q.get_nowait() == 1);
        first.cancel();
        co_await second;
        CHECK(first.cancelled());
        CHECK(q.get_nowait() == 3);
        CHECK(q.empty());
    });
}

TEST_CASE("Q13, Q7: an item that comes back after an immediate shutdown is dropped, counted, and wakes the joiners") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q;
        bool joined = false;
        auto const getter = aya::create_task(get(q));
        co_await test::settle();
        auto const joiner = aya::create_task(join(q, joined)); // runs before the getter, and finds one item unfinished
        q.put_nowait(1); // handed over
        q.put_nowait(2); // stored
        getter.cancel();
        q.shutdown(true);
        co_await test::settle();
        CHECK(getter.cancelled());
        CHECK(q.empty());
        CHECK(joined);
        co_await joiner;
        CHECK_THROWS_AS(q.task_done(), aya::invalid_state_error);
        CHECK_THROWS_AS((void)q.get_nowait(), aya::queue_shut_down);
    });
}

TEST_CASE("Q12, Q7: an item that comes back after a plain shutdown is still got") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q;
        auto const getter = aya::create_task(get(q));
        co_await test::settle();
        q.put_nowait(1);
        getter.cancel();
        q.shutdown();
        co_await test::settle();
        CHECK(getter.cancelled());
        CHECK(q.get_nowait() == 1);
        CHECK_THROWS_AS((void)q.get_nowait(), aya::queue_shut_down);
    });
}

TEST_CASE("Q13: an immediate shutdown never takes the count below zero") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q;
        q.put_nowait(1);
        q.put_nowait(2);
        q.task_done(); // before it was got
        q.shutdown(true);
        co_await q.join();
        CHECK_THROWS_AS(q.task_done(), aya::invalid_state_error);
    });
}

TEST_CASE("Q17: size, empty and full are exact at the call, items on their way to a getter not counted") {
    everywhere([]() -> aya::task<> {
        aya::lifo_queue<int> q(2);
        CHECK(q.empty());
        auto const getter = aya::create_task(get(q));
        co_await test::settle();
        for (int i = 0; i < 3; ++i)
            q.put_nowait(i);
        CHECK(q.size() == 2);
        CHECK(q.full());
        CHECK_FALSE(q.empty());
        int const got = co_await getter;
        CHECK(got == 0);
        CHECK(q.size() == 2);
        (void)q.get_nowait();
        CHECK(q.size() == 1);
        CHECK_FALSE(q.full());
    });
}

TEST_CASE("Q11, Q15: lifo_queue and priority_queue shut down as queue does") {
    everywhere([]() -> aya::task<> {
        aya::lifo_queue<int> pile(1);
        aya::priority_queue<int> by_size;
        pile.put_nowait(1);
        auto const putter = aya::create_task(put(pile, 2));
        auto const getter = aya::create_task(get(by_size));
        co_await test::settle();
        pile.shutdown();
        by_size.shutdown();
        bool const put_refused = co_await test::throws<aya::queue_shut_down>(putter);
        bool const get_refused = co_await test::throws<aya::queue_shut_down>(getter);
        CHECK(put_refused);
        CHECK(get_refused);
        CHECK(pile.get_nowait() == 1);
        CHECK_THROWS_AS(pile.put_nowait(1), aya::queue_shut_down);
        pile.shutdown(true);
        pile.shutdown();
    });
}
