// SPDX-License-Identifier: Apache-2.0
// E08: each public operation is run again and again, and the first, the second, ... the last of its allocations fails; once alone, and once
// with all that follow. Either the operation is as good as ever, or std::bad_alloc comes out of it; the runtime works afterwards; and
// nothing is left, which main() checks. Builds that do not count (see aya/detail/balance.hpp) have frames from their caches here, so
// that only the global heap fails.
#include "support/shortage_new.hpp"

#include "support/harness.hpp"

#include <aya/aya.hpp>

#include <doctest/doctest.h>

#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using test::short_memory;
using test::shortage;

/// True if there is nothing in `error` but the lack of memory, or what follows from it.
bool only_memory(std::exception_ptr const& error) {
    try {
        std::rethrow_exception(error);
    } catch (std::bad_alloc const&) {
        return true;
    } catch (aya::exception_group const& group) {
        for (auto const& e : group.exceptions())
            if (!only_memory(e))
                return false;
        return true;
    } catch (aya::invalid_state_error const& e) { // a group that a child's failure has ended takes no more children
        return std::string(e.what()).find("the group is shutting down") != std::string::npos;
    } catch (aya::broken_promise const&) { // of a promise that went when there was no memory to go on
        return true;
    } catch (aya::broken_executor const&) { // no memory for a thread
        return true;
    } catch (aya::cancelled_error const&) { // what waited for one that failed
        return true;
    } catch (...) {
        return false;
    }
}

struct verdict {
    long runs = 0;
    std::string wrong;
};

/// `operation` gives whether its results are right. `attempt` runs it once.
verdict fail_each(std::function<bool()> const& attempt, shortage how) {
    short_memory const frames_too;
    verdict v;
    for (long n = 1; n < 5000 && v.wrong.empty(); ++n) {
        bool right = true;
        std::exception_ptr error;
        short_memory::begin(n, how);
        try {
            right = attempt();
        } catch (...) {
            error = std::current_exception();
        }
        bool const met = short_memory::end();
        if (error == nullptr && !right)
            v.wrong = "wrong results";
        if (error != nullptr && (!met || !only_memory(error)))
            v.wrong = "another exception";
        if (!v.wrong.empty())
            v.wrong += " at allocation " + std::to_string(n);
        ++v.runs;
        if (!met)
            return v;
    }
    return v;
}

aya::task<int> seven() { co_return 7; }

void survives(aya::task<bool> (*operation)()) {
    aya::runtime_options quiet;
    quiet.exception_handler = [](aya::exception_report const&) {};
    quiet.virtual_time = true;
    for (std::size_t const workers : {std::size_t{0}, std::size_t{2}}) {
        for (shortage const how : {shortage::one, shortage::lasting}) {
            CAPTURE(workers);
            CAPTURE(how == shortage::lasting);
            // The same runtime all the time: what a failure does to it shows in the runs that follow.
            aya::runtime rt(test::kind{workers}.options(quiet));
            // Once with all the memory it wants: oneTBB 2021.8 never gets over a failure in its own first initialisation.
            CHECK(rt.block_on(operation()));
            verdict const v = fail_each([&] { return rt.block_on(operation()); }, how);
            INFO(v.wrong);
            CHECK(v.wrong.empty());
            CHECK(rt.block_on(seven()) == 7);
        }
    }
}

// --- the operations -------------------------------------------------------------------------------------------------------

aya::task<int> add(int a, int b) {
    co_await aya::yield();
    co_return a + b;
}

aya::task<bool> spawn_and_await() {
    auto const a = aya::create_task(add(1, 2), {.name = "a task whose name is too long for a small string"});
    auto const b = aya::create_task([](std::string s) -> aya::task<std::string> { co_return s + "!"; }, std::string(40, 'x'));
    int calls = 0;
    auto const watch = a.add_done_callback([&calls] { ++calls; });
    int sum = 0;
    std::size_t length = 0;
    std::exception_ptr error;
    try {
        sum = co_await a;
        length = (co_await b).size();
    } catch (...) {
        error = std::current_exception();
    }
    while (!a.done() || !b.done() || calls == 0) // the callback refers to this frame
        co_await aya::yield();
    if (error)
        std::rethrow_exception(error);
    co_return sum == 3 && length == 41;
}

aya::task<bool> gathers() {
    auto [a, b, s] = co_await aya::gather(add(1, 2), add(3, 4), [](std::string t) -> aya::task<std::string> { co_return t; }(std::string(40, 'y')));
    std::vector<aya::task<int>> many;
    for (int i = 0; i < 20; ++i)
        many.push_back(add(i, i));
    std::vector<int> const sums = co_await aya::gather(std::move(many));
    int total = 0;
    for (int const i : sums)
        total += i;
    co_return a == 3 && b == 7 && s.size() == 40 && total == 380;
}

aya::task<bool> gathers_of_handles() {
    auto const h = aya::create_task(add(1, 1));
    auto outcomes = co_await aya::gather(aya::return_exceptions, h, aya::create_task(add(2, 2)), add(3, 3));
    auto const& [a, b, c] = outcomes;
    for (std::exception_ptr const& e : {a.exception(), b.exception(), c.exception()})
        if (e)
            std::rethrow_exception(e);
    co_return a.value() == 2 && b.value() == 4 && c.value() == 6;
}

aya::task<int> group_body(aya::task_group& group, int depth) {
    std::vector<aya::task_handle<int>> children;
    for (int i = 0; i < 3; ++i)
        children.push_back(depth == 0 ? group.create_task(add(i, 1)) : group.create_task(aya::with_task_group(group_body, depth - 1)));
    int sum = 0;
    for (auto const& c : children)
        sum += co_await c;
    co_return sum;
}
aya::task<bool> groups() { co_return co_await aya::with_task_group(group_body, 1) == 18; }

template <class Queue>
aya::task<int> consume(std::shared_ptr<Queue> q) {
    int sum = 0;
    try {
        for (;;)
            sum += co_await q->get();
    } catch (aya::queue_shut_down const&) {
    } catch (...) {
        q->shutdown(); // else the producer waits for ever
        throw;
    }
    co_return sum;
}
template <class Queue>
aya::task<> produce(std::shared_ptr<Queue> q, int n) {
    std::exception_ptr error;
    try {
        for (int i = 1; i <= n; ++i)
            co_await q->put(i);
    } catch (...) {
        error = std::current_exception();
    }
    q->shutdown();
    if (error)
        std::rethrow_exception(error);
}
template <class Queue>
aya::task<bool> through(std::size_t limit) {
    auto const q = std::make_shared<Queue>(limit);
    auto const consumer = aya::create_task(consume(q));
    std::exception_ptr error;
    try {
        co_await produce(q, 40);
    } catch (...) {
        error = std::current_exception();
    }
    q->shutdown(); // also when there was no frame for the producer
    int const sum = co_await consumer;
    if (error)
        std::rethrow_exception(error);
    co_return sum == 820;
}
aya::task<bool> queues() {
    bool const a = co_await through<aya::queue<int>>(0);
    bool const b = co_await through<aya::queue<int>>(2);
    bool const c = co_await through<aya::priority_queue<int>>(0);
    bool const d = co_await through<aya::lifo_queue<int>>(3);
    co_return a && b && c && d;
}

// Forked children, which get their states, and may fail to, when they first wait: at the queue. Whoever fails ends it for the other.
aya::task<> put_three(aya::queue<int>* q) {
    try {
        for (int i = 0; i < 3; ++i)
            co_await q->put(i);
    } catch (...) {
        q->shutdown(true);
        throw;
    }
}
aya::task<int> get_three(aya::queue<int>* q) {
    int sum = 0;
    try {
        for (int i = 0; i < 3; ++i)
            sum += co_await q->get();
    } catch (...) {
        q->shutdown(true);
        throw;
    }
    co_return sum;
}
aya::task<bool> children_at_a_queue() {
    aya::queue<int> q(1);
    auto [got, put] = co_await aya::gather(aya::return_exceptions, get_three(&q), put_three(&q));
    std::exception_ptr const errors[] = {got.exception(), put.exception()};
    for (std::exception_ptr const& error : errors)
        if (error != nullptr && only_memory(error))
            throw std::bad_alloc();
    co_return got.value() == 3 && put.has_value();
}

aya::task<bool> timers() {
    co_await aya::sleep(1ms);
    int calls = 0;
    auto const later = aya::call_later(1ms, [&calls] { ++calls; });
    std::exception_ptr error;
    bool late = false;
    int in_time = 0;
    try {
        in_time = co_await aya::timeout(1h, add, 2, 3);
        try {
            co_await aya::timeout(1ms, test::forever);
        } catch (aya::timeout_error const&) {
            late = true;
        }
        late = late && co_await aya::wait_for(add(1, 1), 1h) == 2;
    } catch (...) {
        error = std::current_exception();
    }
    // The call refers to this frame.
    if (!later.cancel())
        while (calls == 0)
            co_await aya::yield();
    if (error)
        std::rethrow_exception(error);
    co_return late && in_time == 5;
}

aya::task<bool> pools() {
    int const a = co_await aya::to_thread([](std::string s) { return static_cast<int>(s.size()); }, std::string(40, 'z'));
    int const b = co_await aya::to_cpu([](int i) { return i + 1; }, 1);
    aya::strand const one_at_a_time{aya::any_executor(aya::inline_executor())};
    int const c = co_await aya::run_in_executor(one_at_a_time, [] { return 3; });
    co_return a == 40 && b == 2 && c == 3;
}

aya::task<> hold(std::shared_ptr<aya::mutex> m, std::shared_ptr<aya::semaphore> s, std::shared_ptr<int> inside) {
    auto const guard = co_await m->lock();
    auto const permit = co_await s->acquire();
    ++*inside;
    co_await aya::yield();
}
aya::task<bool> primitives() {
    auto const m = std::make_shared<aya::mutex>();
    auto const s = std::make_shared<aya::semaphore>(2);
    auto const inside = std::make_shared<int>(0);
    std::vector<aya::task_handle<void>> all;
    std::exception_ptr error;
    try {
        for (int i = 0; i < 5; ++i)
            all.push_back(aya::create_task(hold(m, s, inside)));
    } catch (...) {
        error = std::current_exception();
    }
    for (auto const& h : all)
        co_await h;
    if (error)
        std::rethrow_exception(error);
    co_return *inside == 5 && !m->locked() && !s->locked();
}

aya::task<bool> watching_others() {
    auto const inner = aya::create_task(add(4, 4));
    int const shielded = co_await aya::shield(inner);
    std::vector<aya::task_handle<int>> some;
    for (int i = 0; i < 5; ++i)
        some.push_back(aya::create_task(add(i, 0)));
    auto const result = co_await aya::wait(some, {.timeout = 1h});
    auto stream = aya::as_completed(some);
    int sum = 0;
    while (auto const h = co_await stream.next())
        sum += h.result();
    int const retried = co_await aya::retry({.max_retries = 1}, add, 1, 1);
    co_return shielded == 8 && result.done.size() == 5 && sum == 10 && retried == 2;
}

aya::async_generator<int> count_to(int n) {
    for (int i = 1; i <= n; ++i) {
        co_await aya::yield();
        co_yield i;
    }
}
aya::context_var<std::string> colour("none");

aya::task<bool> values() {
    int sum = 0;
    {
        auto numbers = count_to(4);
        while (auto const i = co_await numbers.next())
            sum += *i;
    }
    auto const token = colour.set(std::string(40, 'c'));
    std::size_t const inherited = co_await aya::create_task([]() -> aya::task<std::size_t> { co_return colour.get().size(); });
    aya::promise<std::string> p;
    auto const f = p.get_future();
    p.set_value(std::string(40, 'p'));
    std::size_t const set = (co_await f).size();
    co_return sum == 10 && inherited == 40 && set == 40;
}

aya::task<bool> cancellations() {
    auto const a = aya::create_task(test::forever());
    std::exception_ptr error;
    bool cancelled = false;
    try {
        co_await aya::yield();
        a.cancel("a message that is too long for a small string");
        co_await a;
    } catch (aya::cancelled_error const&) {
        cancelled = true;
    } catch (...) {
        error = std::current_exception();
    }
    if (!cancelled)
        while (!a.done()) {
            a.cancel();
            co_await aya::yield();
        }
    if (error)
        std::rethrow_exception(error);
    co_return a.done();
}

} // namespace

TEST_CASE("E08: an allocation fails in create_task, await and done callbacks") { survives(&spawn_and_await); }
TEST_CASE("E08: an allocation fails in gather of tasks") { survives(&gathers); }
TEST_CASE("E08: an allocation fails in gather of handles, with outcomes") { survives(&gathers_of_handles); }
TEST_CASE("E08: an allocation fails in task groups within task groups") { survives(&groups); }
TEST_CASE("E08: an allocation fails in queues") { survives(&queues); }
TEST_CASE("E08: an allocation fails when a forked child first waits, at a queue") { survives(&children_at_a_queue); }
TEST_CASE("E08: an allocation fails in timers and scopes") { survives(&timers); }
TEST_CASE("E08: an allocation fails in the pools and in a strand") { survives(&pools); }
TEST_CASE("E08: an allocation fails among waiters of a mutex and a semaphore") { survives(&primitives); }
TEST_CASE("E08: an allocation fails in shield, wait, as_completed and retry") { survives(&watching_others); }
TEST_CASE("E08: an allocation fails in generators, context variables and promises") { survives(&values); }
TEST_CASE("E08: an allocation fails while a task is cancelled") { survives(&cancellations); }

TEST_CASE("E08: an allocation fails while a runtime is made, given work from outside and ended") {
    for (std::size_t const workers : {std::size_t{0}, std::size_t{2}}) {
        for (shortage const how : {shortage::one, shortage::lasting}) {
            CAPTURE(workers);
            verdict const v = fail_each(
                [&] {
                    aya::runtime_options quiet;
                    quiet.exception_handler = [](aya::exception_report const&) {};
                    aya::runtime rt(test::kind{workers}.options(quiet));
                    auto const h = rt.spawn(add(1, 2));
                    auto const left = rt.spawn(test::forever());
                    int const sum = rt.block_on(seven());
                    rt.wait(h);
                    auto const report = rt.shutdown(0s);
                    return sum == 7 && h.result() == 3;
                },
                how);
            INFO(v.wrong);
            CHECK(v.wrong.empty());
        }
    }
}
