// SPDX-License-Identifier: Apache-2.0
// The workloads of README.md on Boost.Asio's awaitables, one io_context on one thread: a subject of `versus`.
#include "measure.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
namespace experimental = boost::asio::experimental;
using namespace bench;

namespace {

using executor = asio::io_context::executor_type;
template <class T>
using awaitable = asio::awaitable<T, executor>;
constexpr asio::use_awaitable_t<executor> use_awaitable;

// Asio's nearest to a task handle: the coroutine runs at once, and is awaited later.
using task_handle = experimental::promise<void(std::exception_ptr, std::uint64_t), executor>;
using channel = experimental::channel<executor, void(boost::system::error_code, std::int64_t)>;

asio::io_context context(1);

task_handle create_task(awaitable<std::uint64_t> coroutine) {
    return asio::co_spawn(context.get_executor(), std::move(coroutine), experimental::use_promise);
}

awaitable<std::uint64_t> value(std::uint64_t i) {
    co_return i;
}

awaitable<std::uint64_t> sum_of(std::vector<task_handle> tasks) {
    std::uint64_t total = 0;
    for (task_handle& t : tasks)
        total += co_await std::move(t)(use_awaitable);
    co_return total;
}

auto operation(awaitable<std::uint64_t> coroutine) {
    return asio::co_spawn(context.get_executor(), std::move(coroutine), asio::deferred);
}
using operation_type = decltype(operation(value(0)));

awaitable<std::uint64_t> gather_sum(std::vector<operation_type> children) {
    auto group = experimental::make_parallel_group(std::move(children));
    auto [order, errors, values] =
        co_await group.async_wait(experimental::wait_for_one_error(), use_awaitable);
    for (std::exception_ptr const& e : errors)
        if (e)
            std::rethrow_exception(e);
    co_return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

awaitable<std::size_t> spawn(std::size_t ops) {
    std::size_t const chunks = at_least_one(ops / chunk_size);
    for (std::size_t c = 0; c < chunks; ++c) {
        std::vector<task_handle> tasks;
        tasks.reserve(chunk_size);
        for (std::size_t i = 0; i < chunk_size; ++i)
            tasks.push_back(create_task(value(i)));
        expect(co_await sum_of(std::move(tasks)), sum_below(chunk_size));
    }
    co_return chunks * chunk_size;
}

awaitable<std::size_t> gather2(std::size_t ops) {
    using namespace experimental::awaitable_operators;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < ops; ++i) {
        auto const [a, b] = co_await (value(1) && value(2));
        total += a + b;
    }
    expect(total, 3 * ops);
    co_return ops;
}

template <std::size_t Width>
awaitable<std::size_t> gather_many(std::size_t ops) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < ops; ++i) {
        std::vector<operation_type> children;
        children.reserve(Width);
        for (std::size_t j = 0; j < Width; ++j)
            children.push_back(operation(value(j)));
        total += co_await gather_sum(std::move(children));
    }
    expect(total, ops * sum_below(Width));
    co_return ops;
}

awaitable<std::uint64_t> yielder(std::size_t rounds) {
    std::uint64_t done = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        co_await asio::post(use_awaitable);
        ++done;
    }
    co_return done;
}

awaitable<std::size_t> yield(std::size_t ops) {
    std::size_t const rounds = at_least_one(ops / yielders);
    std::vector<task_handle> tasks;
    for (std::size_t i = 0; i < yielders; ++i)
        tasks.push_back(create_task(yielder(rounds)));
    expect(co_await sum_of(std::move(tasks)), yielders * rounds);
    co_return yielders * rounds;
}

struct wires {
    channel there{context.get_executor(), 1};
    channel back{context.get_executor(), 1};
};

awaitable<std::uint64_t> ping(std::shared_ptr<wires> w, std::size_t trips) {
    std::int64_t total = 0;
    for (std::size_t i = 0; i < trips; ++i) {
        co_await w->there.async_send({}, static_cast<std::int64_t>(i), use_awaitable);
        total += co_await w->back.async_receive(use_awaitable);
    }
    co_return static_cast<std::uint64_t>(total);
}

awaitable<std::uint64_t> pong(std::shared_ptr<wires> w, std::size_t trips) {
    for (std::size_t i = 0; i < trips; ++i) {
        std::int64_t const got = co_await w->there.async_receive(use_awaitable);
        co_await w->back.async_send({}, got + 1, use_awaitable);
    }
    co_return 0;
}

awaitable<std::size_t> ping_pong(std::size_t ops) {
    std::size_t const trips = at_least_one(ops / ping_pong_pairs);
    std::vector<task_handle> tasks;
    for (std::size_t i = 0; i < ping_pong_pairs; ++i) {
        auto w = std::make_shared<wires>();
        tasks.push_back(create_task(ping(w, trips)));
        tasks.push_back(create_task(pong(w, trips)));
    }
    expect(co_await sum_of(std::move(tasks)), ping_pong_pairs * sum_below(trips + 1));
    co_return ping_pong_pairs * trips;
}

awaitable<std::uint64_t> link(std::size_t left) {
    if (left == 1)
        co_return 1;
    task_handle next = create_task(link(left - 1));
    co_return 1 + co_await std::move(next)(use_awaitable);
}

awaitable<std::size_t> chained_spawn(std::size_t ops) {
    std::size_t const chains = at_least_one(ops / chain_depth);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < chains; ++i) {
        task_handle first = create_task(link(chain_depth));
        total += co_await std::move(first)(use_awaitable);
    }
    expect(total, chain_depth * chains);
    co_return chain_depth * chains;
}

awaitable<std::uint64_t> produce(std::shared_ptr<channel> q, std::size_t items, std::size_t stops) {
    for (std::size_t i = 0; i < items; ++i)
        co_await q->async_send({}, static_cast<std::int64_t>(i), use_awaitable);
    for (std::size_t i = 0; i < stops; ++i)
        co_await q->async_send({}, -1, use_awaitable);
    co_return 0;
}

awaitable<std::uint64_t> consume(std::shared_ptr<channel> q) {
    for (std::uint64_t total = 0;;) {
        std::int64_t const item = co_await q->async_receive(use_awaitable);
        if (item < 0)
            co_return total;
        total += static_cast<std::uint64_t>(item);
    }
}

template <std::size_t Producers, std::size_t Consumers, std::size_t Capacity>
awaitable<std::size_t> queue(std::size_t ops) {
    std::size_t const share = at_least_one(ops / Producers);
    auto q = std::make_shared<channel>(context.get_executor(), Capacity);
    std::vector<task_handle> tasks;
    for (std::size_t i = 0; i < Consumers; ++i)
        tasks.push_back(create_task(consume(q)));
    for (std::size_t i = 0; i < Producers; ++i)
        tasks.push_back(create_task(produce(q, share, Consumers / Producers)));
    expect(co_await sum_of(std::move(tasks)), Producers * sum_below(share));
    co_return Producers * share;
}

awaitable<std::uint64_t> sleeper(std::size_t i) {
    using clock = std::chrono::steady_clock;
    asio::basic_waitable_timer<clock, asio::wait_traits<clock>, executor> timer(context, sleep_time(i));
    co_await timer.async_wait(use_awaitable);
    co_return i;
}

awaitable<std::size_t> timers(std::size_t ops) {
    std::size_t const chunks = at_least_one(ops / chunk_size);
    for (std::size_t c = 0; c < chunks; ++c) {
        std::vector<task_handle> tasks;
        tasks.reserve(chunk_size);
        for (std::size_t i = 0; i < chunk_size; ++i)
            tasks.push_back(create_task(sleeper(i)));
        expect(co_await sum_of(std::move(tasks)), sum_below(chunk_size));
    }
    co_return chunks * chunk_size;
}

awaitable<std::uint64_t> fib_of(std::size_t n) {
    using namespace experimental::awaitable_operators;
    if (n < 2)
        co_return n;
    auto const [a, b] = co_await (fib_of(n - 1) && fib_of(n - 2));
    co_return a + b;
}

awaitable<std::uint64_t> skynet_of(std::uint64_t first, std::uint64_t size) {
    if (size == 1)
        co_return first;
    std::uint64_t const part = size / 10;
    std::vector<operation_type> children;
    children.reserve(10);
    for (std::uint64_t i = 0; i < 10; ++i)
        children.push_back(operation(skynet_of(first + i * part, part)));
    co_return co_await gather_sum(std::move(children));
}

awaitable<std::uint64_t> queens_of(board b) {
    if (b.complete())
        co_return 1;
    std::vector<operation_type> children;
    for (std::uint32_t free = b.free(); free != 0; free &= free - 1)
        children.push_back(operation(queens_of(b.with_queen(free))));
    if (children.empty())
        co_return 0;
    co_return co_await gather_sum(std::move(children));
}

template <class Tree>
awaitable<std::size_t> trees(tree_size size, std::size_t ops, Tree tree) {
    std::size_t const repeats = at_least_one(ops / size.tasks);
    for (std::size_t i = 0; i < repeats; ++i)
        expect(co_await tree(size.argument), size.answer);
    co_return repeats * size.tasks;
}

awaitable<std::size_t> fib(std::size_t ops) {
    return trees(fitting(fib_sizes, ops), ops, fib_of);
}
awaitable<std::size_t> skynet(std::size_t ops) {
    return trees(fitting(skynet_sizes, ops), ops, [](std::size_t leaves) { return skynet_of(0, leaves); });
}
awaitable<std::size_t> nqueens(std::size_t ops) {
    return trees(fitting(nqueens_sizes, ops), ops, [](std::size_t n) { return queens_of(board(n)); });
}

struct workload {
    char const* name;
    awaitable<std::size_t> (*run)(std::size_t ops);
};

constexpr workload workloads[] = {
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

awaitable<measurement> measure(workload w, std::size_t ops) {
    co_await w.run(at_least_one(ops / 10));
    stopwatch const watch;
    std::size_t const done = co_await w.run(ops);
    co_return watch.stop(done);
}

} // namespace

int main(int argc, char** argv) {
    try {
        arguments const a(argc, argv);
        auto const* const w = find_workload(workloads, a.workload);
        measurement result;
        asio::co_spawn(context.get_executor(), measure(*w, a.ops), [&](std::exception_ptr e, measurement m) {
            if (e)
                std::rethrow_exception(e);
            result = m;
        });
        context.run();
        std::cout << result.json(a.workload == "timers") << '\n';
    } catch (std::exception const& e) {
        std::cerr << "versus_asio: " << e.what() << '\n';
        return 1;
    }
}
