// SPDX-License-Identifier: Apache-2.0
// The workloads of README.md on aya, for `versus` and for Google Benchmark. Each does about `ops` operations
// inside the current task, throws if the result is wrong, and gives the number of operations that it did.
#pragma once

#include "measure.hpp"

#include <aya/aya.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
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

inline task<std::size_t> spawn(std::size_t ops) {
    std::size_t const chunks = at_least_one(ops / chunk_size);
    for (std::size_t c = 0; c < chunks; ++c) {
        std::vector<task_handle<std::uint64_t>> tasks;
        tasks.reserve(chunk_size);
        for (std::size_t i = 0; i < chunk_size; ++i)
            tasks.push_back(aya::create_task(value(i)));
        expect(co_await sum_of(std::move(tasks)), sum_below(chunk_size));
    }
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

inline task<std::uint64_t> gather_sum(std::vector<task<std::uint64_t>> children) {
    std::vector<std::uint64_t> const results = co_await aya::gather(std::move(children));
    co_return std::accumulate(results.begin(), results.end(), std::uint64_t{0});
}

template <std::size_t Width>
task<std::size_t> gather_many(std::size_t ops) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < ops; ++i) {
        std::vector<task<std::uint64_t>> children;
        children.reserve(Width);
        for (std::size_t j = 0; j < Width; ++j)
            children.push_back(value(j));
        total += co_await gather_sum(std::move(children));
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
    std::size_t const rounds = at_least_one(ops / yielders);
    std::vector<task_handle<std::uint64_t>> tasks;
    for (std::size_t i = 0; i < yielders; ++i)
        tasks.push_back(aya::create_task(yielder(rounds)));
    expect(co_await sum_of(std::move(tasks)), yielders * rounds);
    co_return yielders * rounds;
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

inline task<std::size_t> timers(std::size_t ops) {
    std::size_t const chunks = at_least_one(ops / chunk_size);
    for (std::size_t c = 0; c < chunks; ++c) {
        std::vector<task_handle<std::uint64_t>> tasks;
        tasks.reserve(chunk_size);
        for (std::size_t i = 0; i < chunk_size; ++i)
            tasks.push_back(aya::create_task(sleeper(i)));
        expect(co_await sum_of(std::move(tasks)), sum_below(chunk_size));
    }
    co_return chunks * chunk_size;
}

inline task<std::uint64_t> fib_of(std::size_t n) {
    if (n < 2)
        co_return n;
    auto const [a, b] = co_await aya::gather(fib_of(n - 1), fib_of(n - 2));
    co_return a + b;
}

inline task<std::uint64_t> skynet_of(std::uint64_t first, std::uint64_t size) {
    if (size == 1)
        co_return first;
    std::uint64_t const part = size / 10;
    std::vector<task<std::uint64_t>> children;
    children.reserve(10);
    for (std::uint64_t i = 0; i < 10; ++i)
        children.push_back(skynet_of(first + i * part, part));
    co_return co_await gather_sum(std::move(children));
}

inline task<std::uint64_t> queens_of(board b) {
    if (b.complete())
        co_return 1;
    std::vector<task<std::uint64_t>> children;
    for (std::uint32_t free = b.free(); free != 0; free &= free - 1)
        children.push_back(queens_of(b.with_queen(free)));
    if (children.empty())
        co_return 0;
    co_return co_await gather_sum(std::move(children));
}

template <class Tree>
task<std::size_t> trees(tree_size size, std::size_t ops, Tree tree) {
    std::size_t const repeats = at_least_one(ops / size.tasks);
    for (std::size_t i = 0; i < repeats; ++i)
        expect(co_await tree(size.argument), size.answer);
    co_return repeats * size.tasks;
}

inline task<std::size_t> fib(std::size_t ops) {
    return trees(fitting(fib_sizes, ops), ops, fib_of);
}
inline task<std::size_t> skynet(std::size_t ops) {
    return trees(fitting(skynet_sizes, ops), ops, [](std::size_t leaves) { return skynet_of(0, leaves); });
}
inline task<std::size_t> nqueens(std::size_t ops) {
    return trees(fitting(nqueens_sizes, ops), ops, [](std::size_t n) { return queens_of(board(n)); });
}

struct workload {
    char const* name;
    task<std::size_t> (*run)(std::size_t ops);
};

inline constexpr workload workloads[] = {
    {"spawn", spawn},
    {"gather2", gather2},
    {"gather10", gather_many<10>},
    {"gather1000", gather_many<1000>},
    {"yield", yield},
    {"ping_pong", ping_pong},
    {"chained_spawn", chained_spawn},
    {"queue_1_3", queue<1, 3, 10>},
    {"queue_4_4", queue<4, 4, 1024>},
    {"timers", timers},
    {"fib", fib},
    {"skynet", skynet},
    {"nqueens", nqueens},
};

} // namespace bench
