// SPDX-License-Identifier: Apache-2.0
// What may be awaited once says so when it is awaited again, and what was moved from when it is awaited at all.
#include "support/harness.hpp"
#include "support/number.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

using test::everywhere;
using test::number;
using namespace std::chrono_literals;

namespace {

// True if awaiting `o`, which stays where it is, throws invalid_state_error.
template <class Operation>
aya::task<bool> refused(Operation* o) {
    try {
        (void)co_await *o;
    } catch (aya::invalid_state_error const&) {
        co_return true;
    }
    co_return false;
}

// Awaits what `make` gives twice, then what was moved from.
template <class Make>
aya::task<bool> once_only(Make make) {
    auto first = make();
    (void)co_await first;
    bool const twice = co_await refused(&first);
    auto second = make();
    [[maybe_unused]] auto const moved = std::move(second);
    bool const empty = co_await refused(&second);
    co_return twice && empty;
}

// The same for what suspends, and is ended from outside.
template <class Make, class End>
aya::task<bool> once_only(Make make, End end) {
    auto first = make();
    aya::timer_handle const ends = aya::call_later(1ms, end);
    (void)co_await first;
    bool const twice = co_await refused(&first);
    co_return twice && !ends.cancelled();
}

} // namespace

TEST_CASE("await once: what waits for a primitive, whether it suspends or not") {
    everywhere([]() -> aya::task<> {
        aya::event set;
        set.set();
        aya::mutex free;
        aya::semaphore permits(2);
        aya::barrier alone(1);
        aya::queue<int> room;
        aya::bounded_semaphore bounded(2);
        bool const event = co_await once_only([&] { return set.wait(); });
        CHECK(event);
        bool const mutex = co_await once_only([&] { return free.lock(); });
        CHECK(mutex);
        bool const semaphore = co_await once_only([&] { return permits.acquire(); });
        CHECK(semaphore);
        bool const second = co_await once_only([&] { return bounded.acquire(); });
        CHECK(second);
        bool const barrier = co_await once_only([&] { return alone.wait(); });
        CHECK(barrier);
        bool const join = co_await once_only([&] { return room.join(); });
        CHECK(join);
        bool const put = co_await once_only([&] { return room.put(1); });
        CHECK(put);
        CHECK(room.size() == 1);
        room.put_nowait(2);
        bool const get = co_await once_only([&] { return room.get(); });
        CHECK(get);
        CHECK(room.size() == 1);
        CHECK_FALSE(free.locked());
    });
    everywhere([]() -> aya::task<> {
        aya::event e;
        bool const event = co_await once_only([&] { return e.wait(); }, [&] { e.set(); });
        CHECK(event);
        aya::semaphore none(0);
        bool const semaphore = co_await once_only([&] { return none.acquire(); }, [&] { none.release(); });
        CHECK(semaphore);
        aya::queue<int> q(1);
        bool const get = co_await once_only([&] { return q.get(); }, [&] { q.put_nowait(1); });
        CHECK(get);
        q.put_nowait(2);
        bool const put = co_await once_only([&] { return q.put(3); }, [&] { (void)q.get_nowait(); });
        CHECK(put);
        CHECK(q.get_nowait() == 3);
    });
}

TEST_CASE("await once: the refusal names what was awaited, and leaves nothing locked") {
    everywhere([]() -> aya::task<> {
        aya::mutex m;
        aya::condition_variable changed(m);
        auto guard = co_await m.lock();
        auto wait = changed.wait(guard);
        aya::timer_handle const notify = aya::call_later(1ms, [&] {
            if (m.try_lock()) {
                changed.notify();
                m.unlock();
            }
        });
        co_await wait;
        std::string message;
        try {
            co_await wait;
        } catch (aya::invalid_state_error const& e) {
            message = e.what();
        }
        CHECK(message.find("condition_variable::wait") != std::string::npos);
        CHECK(m.locked());
        CHECK_FALSE(notify.cancelled());
        guard.unlock();
        CHECK(m.try_lock());
        m.unlock();
    });
}

TEST_CASE("await once: gather, wait, as_completed and calls on the pools") {
    everywhere([]() -> aya::task<> {
        bool const gather = co_await once_only([] { return aya::gather(number(1), number(2)); });
        CHECK(gather);
        bool const range = co_await once_only([] {
            std::vector<aya::task<int>> tasks;
            tasks.push_back(number(1));
            tasks.push_back(number(2));
            return aya::gather(std::move(tasks));
        });
        CHECK(range);
        auto const h = aya::create_task(number(3));
        bool const handles = co_await once_only([&] { return aya::gather(h); });
        CHECK(handles);
        bool const wait = co_await once_only([&] { return aya::wait(std::vector(1, h)); });
        CHECK(wait);
        bool const outside = co_await once_only([] { return aya::to_thread([] { return 1; }); });
        CHECK(outside);
        bool const both = co_await once_only([] { return aya::gather(aya::to_thread([] { return 1; })); });
        CHECK(both);
        auto completed = aya::as_completed(std::vector(2, h));
        bool const next = co_await once_only([&] { return completed.next(); });
        CHECK(next);
        auto const taken = std::move(completed);
        CHECK_THROWS_AS((void)completed.next(), aya::invalid_state_error);
        bool const timeout = co_await once_only([&] { return aya::timeout(1s, h); });
        CHECK(timeout);
    });
}
