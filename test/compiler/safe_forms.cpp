// SPDX-License-Identifier: Apache-2.0
// What g++ 12 does wrong in expressions with co_await, and the forms that are safe there. `run` builds this file without a macro: every form must be
// right, with every compiler, at every level, under AddressSanitizer. With -DBAD=n it builds one of the forms that g++ 12 fails, which
// must be right elsewhere.
#include <aya/aya.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

#ifndef BAD
#define BAD 0
#endif

namespace {

std::atomic<int> live{0};
std::atomic<int> wrong{0};

/// Owns something, and knows where it was made: a copy of its bits that is destroyed too is found.
class owner {
public:
    explicit owner(int v) : self_(this), text_(std::make_unique<std::string>(40, 'x')), value(v) { ++live; }
    owner(owner const& other) : self_(this), text_(std::make_unique<std::string>(*other.text_)), value(other.value) { ++live; }
    owner(owner&& other) noexcept : self_(this), text_(std::move(other.text_)), value(other.value) { ++live; }
    owner& operator=(owner&&) = delete;
    ~owner() {
        if (self_ != this)
            ++wrong;
        --live;
    }

private:
    owner* self_;
    std::unique_ptr<std::string> text_;

public:
    int value;
};

aya::task<int> number(int n) {
    co_await aya::yield();
    co_return n;
}
aya::task<owner> make(int n) {
    co_await aya::yield();
    co_return owner(n);
}
aya::task<int> value_of(owner o) {
    co_await aya::yield();
    co_return o.value;
}
aya::task<int> sum_of(std::vector<int> all) {
    co_await aya::yield();
    int sum = 0;
    for (int const i : all)
        sum += i;
    co_return sum;
}

void check(bool right, char const* what) {
    if (right)
        return;
    std::fprintf(stderr, "wrong: %s\n", what);
    ++wrong;
}

#if BAD == 0

// A callable with captures, and arguments: apart, they are kept for as long as the task lives.
aya::task<> callables() {
    owner const kept(1);
    int const a = co_await aya::create_task(value_of, owner(2));
    int const b = co_await aya::timeout(1h, value_of, owner(3));
    auto const named = [o = owner(4)]() -> aya::task<int> { co_return co_await number(o.value); };
    int const c = co_await aya::create_task(named);
    int const d = co_await aya::timeout(1h, [&kept]() -> aya::task<int> { co_return co_await number(kept.value); });
    int const e = co_await aya::retry({.max_retries = 2, .base_delay = 1us}, [](owner o) { return value_of(std::move(o)); }, owner(5));
    auto in_thread = aya::to_thread([o = owner(6)] { return o.value; });
    int const f = co_await std::move(in_thread);
    int const g = co_await aya::to_thread([](owner o) { return o.value; }, owner(7));
    auto const body = [](aya::task_group& group, owner o) -> aya::task<int> {
        auto const child = group.create_task(value_of, owner(8));
        int const theirs = co_await child;
        co_return theirs + o.value;
    };
    int const h = co_await aya::with_task_group(body, owner(9));
    check(a == 2 && b == 3 && c == 4 && d == 1 && e == 5 && f == 6 && g == 7 && h == 17, "callables and arguments");
}

// Several results at once: variadic, or a container made in a statement before.
aya::task<> several() {
    auto [a, b, c] = co_await aya::gather(number(1), make(2), value_of(owner(3)));
    std::vector<aya::task<owner>> tasks;
    for (int i = 0; i < 5; ++i)
        tasks.push_back(make(i));
    auto const owners = co_await aya::gather(std::move(tasks));
    std::vector<int> const list{1, 2, 3};
    int const sum = co_await sum_of(list);
    check(a == 1 && b.value == 2 && c == 3 && owners.size() == 5 && owners[4].value == 4 && sum == 6, "several");
}

// Conditions: a statement, or a condition between numbers.
aya::task<> conditions(bool first) {
    int a = 0;
    if (first)
        a = (co_await make(1)).value;
    else
        a = (co_await make(2)).value;
    auto chosen = first ? make(3) : make(4); // named before it is awaited
    owner const b = co_await std::move(chosen);
    int const c = first ? co_await number(5) : co_await number(6);
    bool const d = co_await number(1) == 1 && co_await number(2) == 2;
    check(a == (first ? 1 : 2) && b.value == (first ? 3 : 4) && c == (first ? 5 : 6) && d, "conditions");
}

aya::task<> allocations() {
    auto const a = std::make_unique<owner>(co_await make(1));
    owner made = co_await make(2);
    std::unique_ptr<owner> const b(new owner(std::move(made)));
    auto q = std::make_unique<aya::queue<std::unique_ptr<owner>>>();
    co_await q->put(std::make_unique<owner>(3));
    std::unique_ptr<owner> const c = co_await q->get();
    check(a->value == 1 && b->value == 2 && c->value == 3, "allocations");
}

// Awaiters of the library, with temporaries beside them in one expression, and with an exception past them.
aya::task<> temporaries() {
    aya::mutex m;
    aya::semaphore s(1);
    int const a = owner(1).value + co_await value_of(owner(2)) + (co_await make(3)).value;
    {
        auto const guard = co_await m.lock();
        auto const permit = co_await s.acquire();
    }
    bool thrown = false;
    try {
        (void)(owner(4).value + co_await aya::create_task([]() -> aya::task<int> {
            if (true)
                throw std::runtime_error("x");
            co_return 0;
        }));
    } catch (std::runtime_error const&) {
        thrown = true;
    }
    auto numbers = [](owner o) -> aya::async_generator<owner> {
        for (int i = 0; i < o.value; ++i)
            co_yield owner(i);
    }(owner(3));
    int count = 0;
    while (auto const o = co_await numbers.next())
        count += o->value;
    check(a == 6 && thrown && !m.locked() && count == 3, "temporaries");
}

// A condition that awaits needs a declaration somewhere in the body: any will do.
aya::task<int> count_down(int* left) {
    bool more = true;
    while (more) {
        more = co_await number(--*left) != 0;
    }
    if (co_await number(1) == 1)
        co_return 7;
    co_return 0;
}
aya::task<> loops() {
    int left = 3;
    int const got = co_await count_down(&left);
    check(left == 0 && got == 7, "loops");
}

aya::task<> everything() {
    co_await callables();
    co_await several();
    co_await loops();
    co_await conditions(true);
    co_await conditions(false);
    co_await allocations();
    co_await temporaries();
}

#elif BAD == 1 // a lambda temporary that captures an owner by copy
aya::task<> everything() { check(co_await aya::create_task([o = owner(1)]() -> aya::task<int> { co_return co_await number(o.value); }) == 1, "1"); }
#elif BAD == 2 // an aggregate temporary with an owning member
struct parcel {
    owner content;
    int weight;
};
aya::task<int> weigh(parcel p) { co_return co_await number(p.weight); }
aya::task<> everything() { check(co_await weigh(parcel{owner(1), 2}) == 2, "2"); }
#elif BAD == 3 // a conditional between tasks
aya::task<> everything() {
    bool const yes = live == 0;
    check((co_await (yes ? make(1) : make(2))).value == 1, "3");
}
#elif BAD == 4 // new T(co_await ...)
aya::task<> everything() {
    std::unique_ptr<owner> const o(new owner(co_await make(1)));
    check(o->value == 1, "4");
}
#elif BAD == 5 // a braced list
aya::task<> everything() { check(co_await sum_of({1, 2, 3}) == 6, "5"); }
#elif BAD == 6 // a throw beside an await
aya::task<> everything() {
    bool const yes = live == 0;
    owner const o = yes ? co_await make(1) : throw std::runtime_error("no");
    check(o.value == 1, "6");
}
#elif BAD == 7 // an aggregate awaiter with an owning member
struct plain_awaiter {
    owner content;
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<>) const noexcept { return false; }
    int await_resume() const noexcept { return content.value; }
};
aya::task<> everything() { check(co_await plain_awaiter{owner(1)} == 1, "7"); }
#elif BAD == 8 // an await in a condition, and nothing declared in the whole body: it could never run
aya::task<> everything() {
    if (co_await number(1) != 1)
        check(false, "8");
}
#endif

} // namespace

int main() {
    aya::runtime_options loop;
    loop.scheduler = aya::scheduler_kind::event_loop;
    aya::run(loop, everything);
    aya::runtime_options pool;
    pool.workers = 2;
    aya::run(pool, everything);
    check(live == 0, "objects are left, or were destroyed too often");
    return wrong == 0 ? 0 : 1;
}
