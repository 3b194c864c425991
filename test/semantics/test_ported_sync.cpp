// SPDX-License-Identifier: Apache-2.0
// What CPython's own tests of the primitives ask for beyond the other files here; PORTED.md says which test each case answers.
#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <vector>

using test::everywhere;
using test::in_order;

TEST_CASE("BA2: the same tasks pass a barrier round after round, a barrier of one at once") {
    everywhere([]() -> aya::task<> {
        aya::barrier alone(1);
        for (int i = 0; i < 2; ++i) {
            std::size_t const index = co_await alone.wait();
            CHECK(index == 0);
            CHECK(alone.n_waiting() == 0);
        }
        aya::barrier b(3);
        std::atomic<int> passes{0};
        auto party = [&]() -> aya::task<> {
            for (int round = 0; round < 2; ++round) {
                (void)co_await b.wait();
                passes.fetch_add(1);
            }
        };
        co_await aya::gather(party(), party(), party());
        CHECK(passes.load() == 6);
        CHECK(b.n_waiting() == 0);
        CHECK_FALSE(b.broken());
    });
}

TEST_CASE("BA6: tasks whose round was reset may wait again, and pass") {
    everywhere([]() -> aya::task<> {
        aya::barrier b(3);
        std::atomic<int> broken{0};
        std::atomic<int> passed{0};
        auto party = [&]() -> aya::task<> {
            for (bool through = false; !through;) {
                try {
                    (void)co_await b.wait();
                    through = true;
                } catch (aya::broken_barrier_error const&) {
                    broken.fetch_add(1);
                }
            }
            passed.fetch_add(1);
        };
        auto const first = aya::create_task(party);
        auto const second = aya::create_task(party);
        co_await test::settle();
        b.reset();
        co_await test::settle();
        CHECK(broken.load() == 2);
        CHECK(b.n_waiting() == 2);
        co_await party();
        co_await aya::gather(first, second);
        CHECK(passed.load() == 3);
        CHECK(broken.load() == 2);
    });
}

TEST_CASE("BA8, BA9: aborted by a task of a round that leaves: newcomers and those not yet out throw, until a reset") {
    in_order([]() -> aya::task<> {
        aya::barrier b(2);
        std::string log;
        auto party = [&](char name) -> aya::task<> {
            try {
                (void)co_await b.wait();
                log += name;
            } catch (aya::broken_barrier_error const&) {
                log += '!';
            }
        };
        std::vector<aya::task_handle<>> all;
        all.push_back(aya::create_task(party, 'a'));
        co_await test::settle();
        all.push_back(aya::create_task(party, 'b')); // completes the round
        all.push_back(aya::create_task(party, 'c')); // blocked while it leaves
        auto abort = [&]() -> aya::task<> {
            b.abort();
            co_return;
        };
        all.push_back(aya::create_task(abort));
        co_await test::settle();
        CHECK(b.broken());
        CHECK(log == "b!!");
        bool refused = false;
        try {
            (void)co_await b.wait();
        } catch (aya::broken_barrier_error const&) {
            refused = true;
        }
        CHECK(refused);
        b.reset();
        log.clear();
        all.push_back(aya::create_task(party, 'd'));
        all.push_back(aya::create_task(party, 'e'));
        co_await aya::gather(all);
        CHECK(log.size() == 2);
        CHECK_FALSE(b.broken());
    });
}

TEST_CASE("L5, SE5, E4: a waiter that is cancelled leaves the mutex, the semaphore and the event as they were") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        aya::semaphore s(0);
        aya::event e;
        CHECK(m.try_lock());
        auto lock = [&]() -> aya::task<> { auto const guard = co_await m.lock(); };
        auto acquire = [&]() -> aya::task<> { auto const permit = co_await s.acquire(); };
        auto wait = [&]() -> aya::task<> { co_await e.wait(); };
        std::vector<aya::task_handle<>> waiters;
        waiters.push_back(aya::create_task(lock));
        waiters.push_back(aya::create_task(acquire));
        waiters.push_back(aya::create_task(wait));
        co_await test::settle();
        for (auto const& w : waiters)
            w.cancel();
        co_await test::settle();
        for (auto const& w : waiters)
            CHECK(w.cancelled());
        CHECK(m.locked());
        m.unlock();
        CHECK_FALSE(m.locked());
        CHECK_FALSE(s.try_acquire());
        CHECK_FALSE(e.is_set());
    });
}

TEST_CASE("SE2, SE6: permits that are released together go to the waiters in order, and what is left to a newcomer") {
    in_order([]() -> aya::task<> {
        aya::semaphore s(0);
        std::string log;
        auto take = [&](char name) -> aya::task<> {
            auto permit = co_await s.acquire();
            log += name;
            permit.forget();
        };
        std::vector<aya::task_handle<>> all;
        for (char const name : {'a', 'b'})
            all.push_back(aya::create_task(take, name));
        co_await test::settle();
        for (int i = 0; i < 3; ++i)
            s.release();
        all.push_back(aya::create_task(take, 'c')); // takes the third
        co_await aya::gather(all);
        CHECK(log == "abc");
        CHECK(s.locked());
    });
}
