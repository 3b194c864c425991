// SPDX-License-Identifier: Apache-2.0
// Ten bugs that people make, planted: some order of steps shows each. What the library has in their place goes through the same scenarios unharmed.
#include "support/harness.hpp"

#include <aya/aya.hpp>
#include <aya/testing.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using aya::testing::explore;
using aya::testing::require;
using aya::testing::schedule_failure;

namespace {

// --- things with bugs, and the right ones with the same names --------------------------------------------------------------

// 1, 2, 3: a lock.
struct hasty_lock { // looks, and takes later
    bool taken = false;
    aya::task<> lock() {
        while (taken)
            co_await aya::yield();
        co_await aya::yield();
        taken = true;
    }
    void unlock() { taken = false; }
};
struct forgetful_lock { // wakes one waiter, though that one may have been cancelled
    bool taken = false;
    std::deque<aya::event*> waiters;
    aya::task<> lock() {
        if (!taken) {
            taken = true;
            co_return;
        }
        aya::event mine;
        waiters.push_back(&mine);
        co_await mine.wait(); // cancelled: it stays in the list, and the lock is handed to nobody
    }
    void unlock() {
        if (waiters.empty()) {
            taken = false;
            return;
        }
        aya::event* const next = waiters.front();
        waiters.pop_front();
        if (next != nullptr)
            next->set();
    }
};
struct true_lock {
    aya::mutex m;
    aya::task<> lock() {
        auto guard = co_await m.lock();
        held = std::move(guard);
    }
    void unlock() { held.unlock(); }
    aya::mutex::guard held;
};

template <class Lock>
aya::task<> count_up(std::shared_ptr<Lock> l, int* counter) {
    co_await l->lock();
    struct unlocking {
        Lock& of;
        ~unlocking() { of.unlock(); }
    } const held{*l};
    int const before = *counter;
    co_await aya::yield();
    *counter = before + 1;
}
template <class Lock>
aya::task<> two_count_up() {
    auto l = std::make_shared<Lock>();
    int counter = 0;
    co_await aya::gather(count_up(l, &counter), count_up(l, &counter));
    require(counter == 2, "an increment was lost");
}

struct no_lock {
    aya::task<> lock() { co_return; }
    void unlock() {}
};

// A waiter is cancelled while the lock is passed on.
template <class Lock>
aya::task<> cancelled_waiter() {
    auto l = std::make_shared<Lock>();
    int counter = 0;
    auto const a = aya::create_task(count_up(l, &counter));
    auto const b = aya::create_task(count_up(l, &counter));
    co_await aya::yield();
    b.cancel();
    auto const c = aya::create_task(count_up(l, &counter));
    co_await a;
    bool b_ran = true;
    try {
        co_await b;
    } catch (aya::cancelled_error const&) {
        b_ran = false;
    }
    co_await c;
    require(counter >= 2, b_ran ? "counted too little" : "the one behind the cancelled one did not count");
}

// 4: an item is lost when its getter is cancelled. 5: more items than there is room for.
struct leaky_queue {
    std::deque<int> items;
    aya::event filled;
    aya::task<int> get() {
        while (items.empty()) {
            filled.clear();
            co_await filled.wait();
        }
        int const item = items.front();
        items.pop_front();
        co_await aya::yield(); // a cancellation point with the item in the hand
        co_return item;
    }
    aya::task<> put(int item) {
        items.push_back(item);
        filled.set();
        co_return;
    }
};
struct true_queue {
    aya::queue<int> q;
    aya::task<int> get() { co_return co_await q.get(); }
    aya::task<> put(int item) { co_await q.put(item); }
};
template <class Queue>
aya::task<> cancelled_getter() {
    auto q = std::make_shared<Queue>();
    std::vector<int> got;
    auto take = [](std::shared_ptr<Queue> from, std::vector<int>* to) -> aya::task<> {
        int const item = co_await from->get();
        to->push_back(item);
    };
    auto const first = aya::create_task(take, q, &got);
    auto const second = aya::create_task(take, q, &got);
    co_await q->put(1);
    co_await q->put(2);
    co_await aya::yield();
    first.cancel();
    bool first_got = true;
    try {
        co_await first;
    } catch (aya::cancelled_error const&) {
        first_got = false;
    }
    co_await second;
    if (!first_got)
        got.push_back(co_await q->get());
    require(got.size() == 2, "an item is gone");
}

struct overfull_buffer {
    std::deque<int> items;
    std::size_t most = 0;
    aya::task<> put(int item) {
        while (items.size() >= 1)
            co_await aya::yield();
        co_await aya::yield(); // others come in between
        items.push_back(item);
        most = std::max(most, items.size());
    }
    aya::task<int> get() {
        while (items.empty())
            co_await aya::yield();
        int const item = items.front();
        items.pop_front();
        co_return item;
    }
};
struct true_buffer {
    aya::queue<int> items{1};
    std::size_t most = 0;
    aya::task<> put(int item) {
        co_await items.put(item);
        most = std::max(most, items.size());
    }
    aya::task<int> get() { co_return co_await items.get(); }
};
template <class Buffer>
aya::task<> two_putters() {
    auto b = std::make_shared<Buffer>();
    auto put = [](std::shared_ptr<Buffer> to, int item) -> aya::task<> { co_await to->put(item); };
    auto const x = aya::create_task(put, b, 1);
    auto const y = aya::create_task(put, b, 2);
    int const sum = co_await b->get() + co_await b->get();
    co_await x;
    co_await y;
    require(sum == 3, "wrong items");
    require(b->most <= 1, "the buffer was overfull");
}

// 6: a wake-up is missed between the look and the wait.
struct deaf_flag {
    bool set_already = false;
    std::optional<aya::promise<void>> waiter;
    aya::task<> wait() {
        if (set_already)
            co_return;
        co_await aya::yield(); // set() may come here
        aya::promise<void> p;
        aya::future<void> f = p.get_future();
        waiter.emplace(std::move(p));
        co_await f;
    }
    void set() {
        set_already = true;
        if (waiter)
            waiter->set_value();
    }
};
struct true_flag {
    aya::event e;
    aya::task<> wait() { co_await e.wait(); }
    void set() { e.set(); }
};
template <class Flag>
aya::task<> wait_for_flag() {
    auto f = std::make_shared<Flag>();
    auto wait = [](std::shared_ptr<Flag> of) -> aya::task<> { co_await of->wait(); };
    auto const w = aya::create_task(wait, f);
    co_await aya::yield();
    f->set();
    co_await w;
}

// 7: a woken waiter does not look again at what it waited for.
template <bool Again>
aya::task<> two_consumers() {
    struct state {
        aya::mutex m;
        aya::condition_variable changed{m};
        int items = 0;
    };
    auto s = std::make_shared<state>();
    auto consume = [](std::shared_ptr<state> of) -> aya::task<> {
        auto guard = co_await of->m.lock();
        if constexpr (Again)
            co_await of->changed.wait(guard, [here = of.get()] { return here->items > 0; });
        else if (of->items == 0)
            co_await of->changed.wait(guard);
        require(of->items > 0, "took what was not there");
        --of->items;
    };
    auto produce = [](std::shared_ptr<state> of) -> aya::task<> {
        auto guard = co_await of->m.lock();
        ++of->items;
        of->changed.notify_all();
    };
    auto const a = aya::create_task(consume, s);
    auto const b = aya::create_task(consume, s);
    co_await aya::yield();
    co_await produce(s);
    co_await aya::yield();
    co_await produce(s);
    co_await a;
    co_await b;
}

// 8: a permit is lost when its holder is cancelled.
template <bool Guarded>
aya::task<> cancelled_holder() {
    auto s = std::make_shared<aya::semaphore>(1);
    auto hold = [](std::shared_ptr<aya::semaphore> of) -> aya::task<> {
        auto permit = co_await of->acquire();
        if constexpr (!Guarded)
            permit.forget();
        co_await aya::yield(); // cancelled here, it releases nothing
        if constexpr (!Guarded)
            of->release();
    };
    auto const first = aya::create_task(hold, s);
    co_await aya::yield();
    first.cancel();
    auto const second = aya::create_task(hold, s);
    try {
        co_await first;
    } catch (aya::cancelled_error const&) {
    }
    co_await second;
}

// 9: two locks in two orders.
template <bool Ordered>
aya::task<> two_locks() {
    struct state {
        aya::mutex a, b;
    };
    auto s = std::make_shared<state>();
    auto use = [](std::shared_ptr<state> of, bool forwards) -> aya::task<> {
        auto first = co_await (forwards ? &of->a : &of->b)->lock();
        co_await aya::yield();
        auto second = co_await (forwards ? &of->b : &of->a)->lock();
    };
    co_await aya::gather(use(s, true), use(s, Ordered));
}

// 10: a barrier that counts the next round's arrivals into the one that still leaves.
struct one_way_barrier {
    std::size_t parties, here = 0;
    explicit one_way_barrier(std::size_t n) : parties(n) {}
    aya::task<> wait() {
        ++here;
        while (here < parties)
            co_await aya::yield();
        co_await aya::yield();
        here = 0; // whoever has come for the next round is forgotten
    }
};
struct true_barrier {
    aya::barrier b;
    explicit true_barrier(std::ptrdiff_t n) : b(n) {}
    aya::task<> wait() { (void)co_await b.wait(); }
};
template <class Barrier>
aya::task<> two_rounds() {
    struct state {
        Barrier b{2};
        int round[2] = {0, 0};
    };
    auto s = std::make_shared<state>();
    auto take_part = [](std::shared_ptr<state> in, int me) -> aya::task<> {
        for (int r = 0; r < 2; ++r) {
            in->round[me] = r;
            co_await aya::wait_for(in->b.wait(), std::chrono::seconds(1));
            require(in->round[1 - me] >= r, "passed the barrier alone");
        }
    };
    co_await aya::gather(take_part(s, 0), take_part(s, 1));
}

std::size_t found_after(aya::task<> (*scenario)()) {
    try {
        explore({.schedules = 10'000}, scenario);
    } catch (schedule_failure const& f) {
        // The same order fails again, by itself.
        CHECK_THROWS_AS(explore({.replay = f.order()}, scenario), schedule_failure);
        return f.schedules();
    }
    return 0;
}

void finds(std::string const& bug, aya::task<> (*scenario)()) {
    std::size_t const after = found_after(scenario);
    INFO(bug);
    CHECK(after != 0);
}
void survives(aya::task<> (*scenario)()) {
    auto const report = explore({.schedules = 10'000}, scenario);
    CHECK(report.schedules == 10'000);
}

} // namespace

TEST_CASE("explore finds ten planted bugs within 10,000 schedules") {
    finds("no lock at all", two_count_up<no_lock>);
    finds("a lock that looks first and takes later", two_count_up<hasty_lock>);
    finds("a lock that is handed to a cancelled waiter", cancelled_waiter<forgetful_lock>);
    finds("an item that a cancelled getter has in its hand", cancelled_getter<leaky_queue>);
    finds("a buffer that is overfull", two_putters<overfull_buffer>);
    finds("a wake-up between look and wait", wait_for_flag<deaf_flag>);
    finds("a condition that is not looked at again", two_consumers<false>);
    finds("a permit that a cancelled holder keeps", cancelled_holder<false>);
    finds("two locks in two orders", two_locks<false>);
    finds("a barrier that forgets who came early", two_rounds<one_way_barrier>);
}

TEST_CASE("the library's own primitives survive the same scenarios") {
    survives(two_count_up<true_lock>);
    survives(cancelled_waiter<true_lock>);
    survives(cancelled_getter<true_queue>);
    survives(two_putters<true_buffer>);
    survives(wait_for_flag<true_flag>);
    survives(two_consumers<true>);
    survives(cancelled_holder<true>);
    survives(two_locks<true>);
    survives(two_rounds<true_barrier>);
}

TEST_CASE("explore, exhaustively: each order once, and then it says that there is no other") {
    static std::vector<std::string> orders;
    orders.clear();
    auto const scenario = []() -> aya::task<> {
        auto order = std::make_shared<std::string>();
        auto note = [](std::shared_ptr<std::string> in, char c) -> aya::task<> {
            in->push_back(c);
            co_return;
        };
        co_await aya::gather(note(order, 'a'), note(order, 'b'), note(order, 'c'));
        orders.push_back(*order);
    };
    auto const report = explore({.schedules = 1000, .exhaustive = true}, scenario);
    CHECK(report.complete);
    CHECK(report.schedules == 6);
    std::sort(orders.begin(), orders.end());
    CHECK(orders == std::vector<std::string>{"abc", "acb", "bac", "bca", "cab", "cba"});

    auto const lock = explore({.schedules = 10'000, .exhaustive = true}, two_count_up<true_lock>);
    CHECK(lock.complete);
    CHECK(lock.schedules > 1);
    CHECK_THROWS_AS(explore({.schedules = 10'000, .exhaustive = true}, two_count_up<no_lock>), schedule_failure);
}

TEST_CASE("explore: what went wrong is said with the order and the task tree; the seed decides") {
    std::string text;
    try {
        explore({.schedules = 10'000}, two_locks<false>);
    } catch (schedule_failure const& f) {
        text = f.what();
        CHECK(text.find("exploration{.replay = \"" + f.order() + "\"}") != std::string::npos);
    }
    CHECK(text.find("all tasks are asleep, and nothing will wake them") != std::string::npos);
    CHECK(text.find("waits for mutex::lock 0x") != std::string::npos);
    CHECK(text.find("test_exploration.cpp:") != std::string::npos);

    auto const left = []() -> aya::task<> {
        (void)aya::create_task(test::forever(), {.name = "forgotten"});
        co_return;
    };
    text = test::refusal<schedule_failure>([&] { explore({}, left); });
    CHECK(text.find("tasks are left: 1 task\nforgotten (#") != std::string::npos);

    auto const lost = []() -> aya::task<> {
        auto fail = []() -> aya::task<> {
            throw std::runtime_error("nobody cares");
            co_return;
        };
        (void)aya::create_task(fail);
        co_await aya::testing::settle();
    };
    text = test::refusal<schedule_failure>([&] { explore({}, lost); });
    CHECK(text.find("Task exception was never retrieved: nobody cares") != std::string::npos);
    auto const by_a_number = []() -> aya::task<> {
        throw 42;
        co_return;
    };
    CHECK(test::refusal<schedule_failure>([&] { explore({}, by_a_number); }).find("an exception of unknown type") != std::string::npos);
    auto const by_a_cancellation = []() -> aya::task<> {
        throw aya::cancelled_error("changed its mind");
        co_return;
    };
    CHECK(test::refusal<schedule_failure>([&] { explore({}, by_a_cancellation); }).find("cancelled: changed its mind") != std::string::npos);
}

TEST_CASE("explore: what is to be replayed must be an order") {
    auto const nothing = []() -> aya::task<> { co_return; };
    for (char const* wrong : {"zzz,,9", "1.", ".1", "1..2", "1,2", "-1", "0x1", " 1", "99999999999999999999999"}) {
        std::string const refusal = test::refusal<std::invalid_argument>([&] { explore({.replay = wrong}, nothing); });
        CHECK(refusal.find("replay") != std::string::npos);
    }
    CHECK(explore({.replay = "0"}, nothing).schedules == 1);
    CHECK(explore({.replay = "0.12.3"}, nothing).schedules == 1);
}
