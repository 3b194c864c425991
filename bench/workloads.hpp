// SPDX-License-Identifier: Apache-2.0
// The workloads of README.md on aya, for `versus` and for Google Benchmark. Each does about `ops` operations
// inside the current task, throws if the result is wrong, and gives the number of operations that it did.
#pragma once

#include "measure.hpp"
#include "tree_workloads.hpp"

#include <aya/aya.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace bench {

using aya::task;
using aya::task_handle;

inline task<std::uint64_t> value(std::uint64_t i) {
    co_return i;
}

inline task<std::uint64_t> sum_of(std::vector<task_handle<std::uint64_t>> tasks) {
    std::uint64_t total = 0;
    for (auto const& t : tasks)
        total += co_await t;
    co_return total;
}

/// `members` tasks at once, each of so many rounds that there are about `ops` in all. `start(rounds)` makes one's coroutine, and
/// `answer(rounds)` says what it gives.
template <class Start, class Answer>
task<std::size_t> crowd(std::size_t members, std::size_t ops, Start start, Answer answer) {
    std::size_t const rounds = at_least_one(ops / members);
    std::vector<task_handle<std::uint64_t>> tasks;
    tasks.reserve(members);
    for (std::size_t i = 0; i < members; ++i)
        tasks.push_back(aya::create_task(start(rounds)));
    expect(co_await sum_of(std::move(tasks)), members * answer(rounds));
    co_return members * rounds;
}

inline std::uint64_t one_each(std::size_t rounds) {
    return rounds;
}

inline task<std::size_t> spawn(std::size_t ops) {
    std::vector<task_handle<std::uint64_t>> tasks;
    tasks.reserve(ops);
    for (std::size_t i = 0; i < ops; ++i)
        tasks.push_back(aya::create_task(value(i)));
    expect(co_await sum_of(std::move(tasks)), sum_below(ops));
    co_return ops;
}

inline task<std::size_t> spawn_10k(std::size_t ops) {
    std::size_t const chunks = at_least_one(ops / chunk_size);
    for (std::size_t c = 0; c < chunks; ++c)
        co_await spawn(chunk_size);
    co_return chunks * chunk_size;
}

inline task<std::size_t> gather2(std::size_t ops) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < ops; ++i) {
        auto const [a, b] = co_await aya::gather(value(1), value(2));
        total += a + b;
    }
    expect(total, 3 * ops);
    co_return ops;
}

template <std::size_t Width>
task<std::size_t> gather_many(std::size_t ops) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < ops; ++i) {
        std::vector<task<std::uint64_t>> children;
        children.reserve(Width);
        for (std::size_t j = 0; j < Width; ++j)
            children.push_back(value(j));
        total += co_await trees::gather_sum(std::move(children));
    }
    expect(total, ops * sum_below(Width));
    co_return ops;
}

inline task<std::uint64_t> yielder(std::size_t rounds) {
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        co_await aya::yield();
        ++done;
    }
    co_return done;
}

inline task<std::size_t> yield(std::size_t ops) {
    return crowd(yielders, ops, yielder, one_each);
}

struct wires {
    aya::queue<std::int64_t> there{1};
    aya::queue<std::int64_t> back{1};
};

inline task<std::uint64_t> ping(std::shared_ptr<wires> w, std::size_t trips) {
    std::int64_t total = 0;
    for (std::size_t i = 0; i < trips; ++i) {
        co_await w->there.put(static_cast<std::int64_t>(i));
        total += co_await w->back.get();
    }
    co_return static_cast<std::uint64_t>(total);
}

inline task<std::uint64_t> pong(std::shared_ptr<wires> w, std::size_t trips) {
    for (std::size_t i = 0; i < trips; ++i) {
        std::int64_t const got = co_await w->there.get();
        co_await w->back.put(got + 1);
    }
    co_return 0;
}

inline task<std::size_t> ping_pong(std::size_t ops) {
    std::size_t const trips = at_least_one(ops / ping_pong_pairs);
    std::vector<task_handle<std::uint64_t>> tasks;
    for (std::size_t i = 0; i < ping_pong_pairs; ++i) {
        auto const w = std::make_shared<wires>();
        tasks.push_back(aya::create_task(ping(w, trips)));
        tasks.push_back(aya::create_task(pong(w, trips)));
    }
    expect(co_await sum_of(std::move(tasks)), ping_pong_pairs * sum_below(trips + 1));
    co_return ping_pong_pairs * trips;
}

inline task<std::uint64_t> link(std::size_t left) {
    if (left == 1)
        co_return 1;
    auto const next = aya::create_task(link(left - 1));
    co_return 1 + co_await next;
}

inline task<std::size_t> chained_spawn(std::size_t ops) {
    std::size_t const chains = at_least_one(ops / chain_depth);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < chains; ++i) {
        auto const first = aya::create_task(link(chain_depth));
        total += co_await first;
    }
    expect(total, chain_depth * chains);
    co_return chain_depth * chains;
}

using item_queue = std::shared_ptr<aya::queue<std::int64_t>>;

inline task<std::uint64_t> produce(item_queue q, std::size_t items, std::size_t stops) {
    for (std::size_t i = 0; i < items; ++i)
        co_await q->put(static_cast<std::int64_t>(i));
    for (std::size_t i = 0; i < stops; ++i)
        co_await q->put(-1);
    co_return 0;
}

inline task<std::uint64_t> consume(item_queue q) {
    for (std::uint64_t total = 0;;) {
        std::int64_t const item = co_await q->get();
        if (item < 0)
            co_return total;
        total += static_cast<std::uint64_t>(item);
    }
}

template <std::size_t Producers, std::size_t Consumers, std::size_t Capacity>
task<std::size_t> queue(std::size_t ops) {
    std::size_t const share = at_least_one(ops / Producers);
    auto const q = std::make_shared<aya::queue<std::int64_t>>(Capacity);
    std::vector<task_handle<std::uint64_t>> tasks;
    for (std::size_t i = 0; i < Consumers; ++i)
        tasks.push_back(aya::create_task(consume(q)));
    for (std::size_t i = 0; i < Producers; ++i)
        tasks.push_back(aya::create_task(produce(q, share, Consumers / Producers)));
    expect(co_await sum_of(std::move(tasks)), Producers * sum_below(share));
    co_return Producers * share;
}

inline task<std::uint64_t> sleeper(std::size_t i) {
    co_await aya::sleep(sleep_time(i));
    co_return i;
}

inline task<std::size_t> sleeps(std::size_t ops) {
    std::vector<task_handle<std::uint64_t>> tasks;
    tasks.reserve(ops);
    for (std::size_t i = 0; i < ops; ++i)
        tasks.push_back(aya::create_task(sleeper(i)));
    expect(co_await sum_of(std::move(tasks)), sum_below(ops));
    co_return ops;
}

inline std::atomic<std::size_t> sleeping{0};

inline task<> sleep_for_an_hour() {
    sleeping.fetch_add(1, std::memory_order_relaxed);
    co_await aya::sleep(std::chrono::hours(1));
}

inline task<std::size_t> asleep(std::size_t ops) {
    for (std::size_t i = 0; i < ops; ++i)
        static_cast<void>(aya::create_task(sleep_for_an_hour()));
    while (sleeping.load(std::memory_order_relaxed) != ops)
        co_await aya::yield();
    co_return ops;
}

struct counter {
    aya::mutex lock;
    std::uint64_t count = 0;
};

template <bool HeldOverAYield>
task<std::uint64_t> locker(std::shared_ptr<counter> c, std::size_t rounds) {
    for (std::size_t i = 0; i < rounds; ++i) {
        auto const guard = co_await c->lock.lock();
        ++c->count;
        if constexpr (HeldOverAYield)
            co_await aya::yield();
    }
    co_return 0;
}

template <bool HeldOverAYield>
task<std::size_t> mutex(std::size_t ops) {
    auto const c = std::make_shared<counter>();
    auto const start = [c](std::size_t rounds) { return locker<HeldOverAYield>(c, rounds); };
    std::size_t const done = co_await crowd(lockers, ops, start, [](std::size_t) { return std::uint64_t{0}; });
    expect(c->count, done);
    co_return done;
}

inline task<std::uint64_t> acquirer(std::shared_ptr<aya::semaphore> s, std::size_t rounds) {
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        auto const permit = co_await s->acquire();
        co_await aya::yield();
        ++done;
    }
    co_return done;
}

inline task<std::size_t> semaphore(std::size_t ops) {
    auto const s = std::make_shared<aya::semaphore>(permits);
    return crowd(acquirers, ops, [s](std::size_t rounds) { return acquirer(s, rounds); }, one_each);
}

inline task<std::uint64_t> yielding_value(std::uint64_t i) {
    co_await aya::yield();
    co_return i;
}

template <task<std::uint64_t> (*Operation)(std::uint64_t)>
task<std::uint64_t> in_time(std::size_t rounds) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < rounds; ++i)
        total += co_await aya::timeout(std::chrono::seconds(10), Operation, std::uint64_t{i});
    co_return total;
}

template <task<std::uint64_t> (*Operation)(std::uint64_t)>
task<std::size_t> timeouts(std::size_t ops) {
    return crowd(timed, ops, in_time<Operation>, sum_below);
}

template <bool OnCpuPool>
task<std::uint64_t> offloader(std::size_t rounds) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        auto const call = [i] { return std::uint64_t{i}; };
        if constexpr (OnCpuPool)
            total += co_await aya::to_cpu(call);
        else
            total += co_await aya::to_thread(call);
    }
    co_return total;
}

template <bool OnCpuPool, std::size_t InFlight>
task<std::size_t> offload(std::size_t ops) {
    return crowd(InFlight, ops, offloader<OnCpuPool>, sum_below);
}

inline task<std::size_t> queue_fill(std::size_t ops) {
    aya::queue<std::int64_t> q;
    for (std::size_t i = 0; i < ops; ++i)
        co_await q.put(static_cast<std::int64_t>(i));
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < ops; ++i)
        total += static_cast<std::uint64_t>(co_await q.get());
    expect(total, sum_below(ops));
    co_return ops;
}

struct workload {
    char const* name;
    task<std::size_t> (*run)(std::size_t ops);
};

inline constexpr workload workloads[] = {
    {"spawn", spawn},
    {"spawn_10k", spawn_10k},
    {"gather2", gather2},
    {"gather10", gather_many<10>},
    {"gather1000", gather_many<1000>},
    {"yield", yield},
    {"ping_pong", ping_pong},
    {"chained_spawn", chained_spawn},
    {"queue_1_3", queue<1, 3, 10>},
    {"queue_4_4", queue<4, 4, 1024>},
    {"queue_fill", queue_fill},
    {"mutex", mutex<false>},
    {"mutex_yield", mutex<true>},
    {"semaphore", semaphore},
    {"timeout_ready", timeouts<value>},
    {"timeout_yield", timeouts<yielding_value>},
    {"sleeps", sleeps},
    {"asleep", asleep},
    {"to_thread", offload<false, 1>},
    {"to_thread_64", offload<false, 64>},
    {"to_cpu", offload<true, 1>},
    {"to_cpu_64", offload<true, 64>},
    {"fib", trees::fib},
    {"skynet", trees::skynet},
    {"nqueens", trees::nqueens},
    {"matmul", trees::matmul},
    {"fib_group", trees::fib_group},
    {"skynet_group", trees::skynet_group},
    {"nqueens_group", trees::nqueens_group},
    {"matmul_group", trees::matmul_group},
};

} // namespace bench
