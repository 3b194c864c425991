// SPDX-License-Identifier: Apache-2.0
// Long chains of awaits in the little stack that `run` gives this program: so many awaits one after another, so many coroutines deep, with a result, an
// exception and a cancellation at the bottom.
//     chains AWAITS DEPTH
#include <aya/aya.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace {

aya::task<long> one() { co_return 1; }

aya::task<long> many(long n) {
    long sum = 0;
    for (long i = 0; i < n; ++i)
        sum += co_await one();
    co_return sum;
}

enum class bottom { result, exception, wait };

aya::task<long> deep(long n, bottom b) {
    if (n == 0) {
        if (b == bottom::exception)
            throw std::runtime_error("bottom");
        if (b == bottom::wait) {
            aya::event never;
            co_await never.wait();
        }
        co_return 0;
    }
    co_return 1 + co_await deep(n - 1, b);
}

aya::task<bool> all(long awaits, long depth) {
    bool right = co_await many(awaits) == awaits;
    right = right && co_await deep(depth, bottom::result) == depth;
    long caught = 0;
    try {
        (void)co_await deep(depth / 10, bottom::exception); // each level costs a microsecond or more
    } catch (std::runtime_error const&) {
        ++caught;
    }
    auto const waiting = aya::create_task(deep(depth, bottom::wait));
    co_await aya::yield();
    waiting.cancel();
    try {
        (void)co_await waiting;
    } catch (aya::cancelled_error const&) {
        ++caught;
    }
    co_return right && caught == 2;
}

} // namespace

int main(int argc, char** argv) {
    long const awaits = argc > 1 ? std::atol(argv[1]) : 1'000'000;
    long const depth = argc > 2 ? std::atol(argv[2]) : 100'000;
    aya::runtime_options options;
    options.scheduler = aya::scheduler_kind::event_loop;
    bool right = aya::run(options, all, awaits, depth);
    options.scheduler = aya::scheduler_kind::thread_pool;
    options.workers = 2;
    right = aya::run(options, all, awaits, depth) && right;
    std::puts(right ? "ok" : "wrong");
    return right ? 0 : 1;
}
