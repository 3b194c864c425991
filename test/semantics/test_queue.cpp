// SPDX-License-Identifier: Apache-2.0
// The contract's section 12. The queue is stricter than asyncio's: items are handed to the longest waiter.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <utility>
#include <vector>

using test::everywhere;
using test::in_order;
using namespace std::chrono_literals;

namespace {

aya::task<int> get(aya::queue<int>& q) { co_return co_await q.get(); }
aya::task<> put(aya::queue<int>& q, int i) { co_await q.put(i); }

} // namespace

TEST_CASE("Q1: without a limit a queue is never full, and put does not suspend") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q;
        bool other_ran = false;
        auto other_body = [&]() -> aya::task<> {
            other_ran = true;
            co_return;
        };
        auto const other = aya::create_task(other_body);
        for (int i = 0; i < 10'000; ++i)
            co_await q.put(i);
        CHECK_FALSE(q.full());
        CHECK(q.size() == 10'000);
        CHECK_FALSE(other_ran);
        co_await other;
    });
}

TEST_CASE("Q2: put on a full queue waits for room; the calls that do not wait throw") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q(1);
        CHECK_THROWS_AS((void)q.get_nowait(), aya::queue_empty);
        co_await q.put(1);
        CHECK_THROWS_AS(q.put_nowait(2), aya::queue_full);
        auto const h = aya::create_task(put(q, 3));
        co_await test::settle();
        CHECK_FALSE(h.done());
        CHECK(q.get_nowait() == 1);
        co_await test::settle();
        CHECK(h.done());
        CHECK(q.size() == 1);
        CHECK(q.get_nowait() == 3);
    });
}

TEST_CASE("Q3: first in, first out, by the order of the puts that succeeded") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q(2);
        std::vector<aya::task_handle<>> putters;
        for (int i = 0; i < 6; ++i) {
            putters.push_back(aya::create_task(put(q, i)));
            co_await test::settle();
        }
        for (int i = 0; i < 6; ++i) {
            int const got = co_await q.get();
            CHECK(got == i);
            co_await test::settle();
        }
    });
}

TEST_CASE("Q4: waiting getters get items in the order in which they came") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q;
        std::vector<aya::task_handle<int>> getters;
        for (int i = 0; i < 5; ++i) {
            getters.push_back(aya::create_task(get(q)));
            co_await test::settle();
        }
        for (int i = 0; i < 5; ++i)
            q.put_nowait(i);
        co_await test::settle();
        for (int i = 0; i < 5; ++i)
            CHECK(getters[static_cast<std::size_t>(i)].result() == i);
    });
}

TEST_CASE("Q5: nobody takes an item away from a getter that was woken") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q;
        auto const getter = aya::create_task(get(q));
        co_await test::settle();
        q.put_nowait(1);
        CHECK(q.empty()); // handed over
        CHECK_THROWS_AS((void)q.get_nowait(), aya::queue_empty);
        co_await test::settle();
        CHECK(getter.result() == 1);
    });
}

TEST_CASE("Q6, Q18: a getter that is cancelled while it waits leaves no trace") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q;
        auto const a = aya::create_task(get(q));
        co_await test::settle();
        auto const b = aya::create_task(get(q));
        co_await test::settle();
        a.cancel();
        co_await test::settle();
        CHECK(a.cancelled());
        q.put_nowait(1);
        co_await test::settle();
        CHECK(b.result() == 1);
        q.put_nowait(2);
        CHECK(q.get_nowait() == 2);
    });
}

TEST_CASE("Q7: a getter that is cancelled after it was woken: the item stays first, or goes to the next getter") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q;
        auto const alone = aya::create_task(get(q));
        co_await test::settle();
        q.put_nowait(1);
        q.put_nowait(2);
        alone.cancel();
        co_await test::settle();
        CHECK(alone.cancelled());
        CHECK(q.size() == 2);
        CHECK(q.get_nowait() == 1);
        CHECK(q.get_nowait() == 2);

        auto const first = aya::create_task(get(q));
        co_await test::settle();
        auto const second = aya::create_task(get(q));
        co_await test::settle();
        q.put_nowait(3);
        first.cancel();
        co_await test::settle();
        CHECK(first.cancelled());
        CHECK(second.result() == 3);
        CHECK(q.empty());
    });
}

TEST_CASE("Q7: ten of many readers are dropped and every item is still read once") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q;
        std::vector<aya::task_handle<int>> readers;
        for (int i = 0; i < 10; ++i)
            readers.push_back(aya::create_task(get(q)));
        co_await test::settle();
        for (int i = 0; i < 5; ++i)
            q.put_nowait(i);
        for (std::size_t i = 0; i < 10; i += 2)
            readers[i].cancel();
        co_await test::settle();
        int sum = 0;
        for (auto const& r : readers)
            if (r.done() && !r.cancelled())
                sum += r.result();
        CHECK(sum == 10);
        CHECK(q.empty());
    });
}

TEST_CASE("Q8: a putter that is cancelled after it was woken puts nothing; the next one does") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q(1);
        q.put_nowait(0);
        auto const first = aya::create_task(put(q, 1));
        co_await test::settle();
        auto const second = aya::create_task(put(q, 2));
        co_await test::settle();
        CHECK(q.get_nowait() == 0);
        first.cancel();
        co_await test::settle();
        CHECK(first.cancelled());
        CHECK(second.done());
        CHECK(q.get_nowait() == 2);
        CHECK(q.empty());
        q.put_nowait(3); // and the place is free again
        CHECK(q.full());
    });
    everywhere([]() -> aya::task<> {
        aya::queue<int> q(1);
        q.put_nowait(0);
        auto const waiting = aya::create_task(put(q, 1));
        co_await test::settle();
        waiting.cancel();
        co_await test::settle();
        CHECK(waiting.cancelled());
        CHECK(q.get_nowait() == 0);
        CHECK(q.empty());
        q.put_nowait(3);
    });
}

TEST_CASE("Q8: a place that was reserved for a waiting putter is nobody else's") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q(1);
        q.put_nowait(0);
        auto const waiting = aya::create_task(put(q, 1));
        co_await test::settle();
        CHECK(q.get_nowait() == 0);
        CHECK(q.full());
        CHECK_THROWS_AS(q.put_nowait(2), aya::queue_full);
        co_await test::settle();
        CHECK(q.get_nowait() == 1);
    });
}

TEST_CASE("Q9: task_done once for every put, and not oftener") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q;
        CHECK_THROWS_AS(q.task_done(), aya::invalid_state_error);
        q.put_nowait(1);
        auto const getter = aya::create_task(get(q));
        co_await getter;
        auto const waiting = aya::create_task(get(q));
        co_await test::settle();
        q.put_nowait(2); // handed over, counted all the same
        q.task_done();
        q.task_done();
        CHECK_THROWS_AS(q.task_done(), aya::invalid_state_error);
        co_await waiting;
    });
}

TEST_CASE("Q10: join returns at once when nothing is unfinished, else when the count reaches zero, if it rises again too") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q;
        co_await q.join();
        q.put_nowait(1);
        bool joined = false;
        auto joiner = [&]() -> aya::task<> {
            co_await q.join();
            joined = true;
        };
        auto const h = aya::create_task(joiner);
        co_await test::settle();
        CHECK_FALSE(joined);
        (void)q.get_nowait();
        q.task_done();
        q.put_nowait(2); // before the joiner runs
        co_await test::settle();
        CHECK(joined);
        co_await h;
    });
}

TEST_CASE("Q10: the last task_done wakes all who join") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q;
        q.put_nowait(1);
        (void)q.get_nowait();
        auto join = [&]() -> aya::task<> { co_await q.join(); };
        std::vector<aya::task_handle<>> joiners;
        for (int i = 0; i < 5; ++i)
            joiners.push_back(aya::create_task(join));
        co_await test::settle();
        q.task_done();
        co_await test::settle();
        for (auto const& h : joiners)
            CHECK(h.done());
        for (auto const& h : joiners)
            h.cancel(); // for when one of them still waits
    });
}

TEST_CASE("Q11: after shutdown every put throws; waiting putters wake with queue_shut_down and store nothing") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q(1);
        q.put_nowait(0);
        auto const waiting = aya::create_task(put(q, 1));
        co_await test::settle();
        q.shutdown();
        bool threw = co_await test::throws<aya::queue_shut_down>(waiting);
        CHECK(threw);
        CHECK_THROWS_AS(q.put_nowait(2), aya::queue_shut_down);
        threw = co_await test::throws<aya::queue_shut_down>(put(q, 3));
        CHECK(threw);
        CHECK(q.size() == 1);
    });
}

TEST_CASE("Q11: a putter that was woken, and then the queue was shut down before it ran, stores nothing") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q(1);
        q.put_nowait(0);
        auto const waiting = aya::create_task(put(q, 1));
        co_await test::settle();
        CHECK(q.get_nowait() == 0);
        q.shutdown();
        bool const threw = co_await test::throws<aya::queue_shut_down>(waiting);
        CHECK(threw);
        CHECK(q.empty());
    });
}

TEST_CASE("Q12: after shutdown gets go on until it is empty; waiting getters wake with queue_shut_down") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q;
        q.put_nowait(1);
        q.put_nowait(2);
        q.shutdown();
        int const a = co_await q.get();
        int const b = q.get_nowait();
        CHECK(a + b == 3);
        CHECK_THROWS_AS((void)q.get_nowait(), aya::queue_shut_down);
        bool threw = co_await test::throws<aya::queue_shut_down>(get(q));
        CHECK(threw);
        aya::queue<int> empty;
        auto const waiting = aya::create_task(get(empty));
        co_await test::settle();
        empty.shutdown();
        threw = co_await test::throws<aya::queue_shut_down>(waiting);
        CHECK(threw);
    });
}

TEST_CASE("Q13: an immediate shutdown drops the items, counts them as done and wakes the joiners if that was all") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q;
        for (int i = 0; i < 5; ++i)
            q.put_nowait(i);
        (void)q.get_nowait(); // one is being worked on
        auto joiner = [&]() -> aya::task<> { co_await q.join(); };
        auto const h = aya::create_task(joiner);
        co_await test::settle();
        q.shutdown(true);
        CHECK(q.empty());
        co_await test::settle();
        CHECK_FALSE(h.done());
        q.task_done();
        co_await test::settle();
        CHECK(h.done());
        CHECK_THROWS_AS(q.task_done(), aya::invalid_state_error);

        aya::queue<int> untouched;
        untouched.put_nowait(1);
        auto other_joiner = [&]() -> aya::task<> { co_await untouched.join(); };
        auto const other = aya::create_task(other_joiner);
        co_await test::settle();
        untouched.shutdown(true);
        co_await test::settle();
        CHECK(other.done());
    });
}

TEST_CASE("Q14, Q15: task_done and join work after a shutdown; it may come twice, immediate the second time") {
    everywhere([]() -> aya::task<> {
        aya::queue<int> q;
        q.put_nowait(1);
        q.put_nowait(2);
        q.shutdown();
        q.shutdown();
        CHECK(q.size() == 2);
        (void)q.get_nowait();
        q.task_done();
        q.shutdown(true);
        CHECK(q.empty());
        co_await q.join();
        CHECK_THROWS_AS((void)q.get_nowait(), aya::queue_shut_down);
    });
}

TEST_CASE("Q16: put and get that need not wait do not suspend") {
    in_order([]() -> aya::task<> {
        aya::queue<int> q(2);
        bool other_ran = false;
        auto other_body = [&]() -> aya::task<> {
            other_ran = true;
            co_return;
        };
        auto const other = aya::create_task(other_body);
        co_await q.put(1);
        (void)co_await q.get();
        CHECK_FALSE(other_ran);
        co_await other;
    });
}
