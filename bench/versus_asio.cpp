// SPDX-License-Identifier: Apache-2.0
// The workloads of README.md on Boost.Asio's awaitables, one io_context on one thread: a subject of `versus`.
#include "trees.hpp"

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
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>
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
    std::vector<task_handle> tasks;
    tasks.reserve(ops);
    for (std::size_t i = 0; i < ops; ++i)
        tasks.push_back(create_task(value(i)));
    expect(co_await sum_of(std::move(tasks)), sum_below(ops));
    co_return ops;
}

awaitable<std::size_t> spawn_10k(std::size_t ops) {
    std::size_t const chunks = at_least_one(ops / chunk_size);
    for (std::size_t c = 0; c < chunks; ++c)
        co_await spawn(chunk_size);
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

using clock_type = std::chrono::steady_clock;
using timer = asio::basic_waitable_timer<clock_type, asio::wait_traits<clock_type>, executor>;

awaitable<std::uint64_t> sleeper(std::size_t i) {
    timer t(context, sleep_time(i));
    co_await t.async_wait(use_awaitable);
    co_return i;
}

awaitable<std::size_t> sleeps(std::size_t ops) {
    std::vector<task_handle> tasks;
    tasks.reserve(ops);
    for (std::size_t i = 0; i < ops; ++i)
        tasks.push_back(create_task(sleeper(i)));
    expect(co_await sum_of(std::move(tasks)), sum_below(ops));
    co_return ops;
}

std::size_t sleeping = 0;

awaitable<void> sleep_for_an_hour() {
    ++sleeping;
    timer t(context, std::chrono::hours(1));
    co_await t.async_wait(use_awaitable);
}

awaitable<std::size_t> asleep(std::size_t ops) {
    for (std::size_t i = 0; i < ops; ++i)
        asio::co_spawn(context.get_executor(), sleep_for_an_hour(), asio::detached);
    while (sleeping != ops)
        co_await asio::post(use_awaitable);
    co_return ops;
}

awaitable<std::uint64_t> yielding_value(std::uint64_t i) {
    co_await asio::post(use_awaitable);
    co_return i;
}

template <awaitable<std::uint64_t> (*Operation)(std::uint64_t)>
awaitable<std::uint64_t> in_time(std::size_t rounds) {
    using namespace experimental::awaitable_operators;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < rounds; ++i) {
        timer t(context, std::chrono::seconds(10));
        auto const first = co_await (Operation(i) || t.async_wait(use_awaitable));
        total += std::get<0>(first);
    }
    co_return total;
}

template <awaitable<std::uint64_t> (*Operation)(std::uint64_t)>
awaitable<std::size_t> timeouts(std::size_t ops) {
    std::size_t const rounds = at_least_one(ops / timed);
    std::vector<task_handle> tasks;
    for (std::size_t i = 0; i < timed; ++i)
        tasks.push_back(create_task(in_time<Operation>(rounds)));
    expect(co_await sum_of(std::move(tasks)), timed * sum_below(rounds));
    co_return timed * rounds;
}

asio::thread_pool& threads() {
    static asio::thread_pool pool;
    return pool;
}

asio::awaitable<std::uint64_t> value_on_a_thread(std::uint64_t i) {
    co_return i;
}

awaitable<std::uint64_t> offloader(std::size_t rounds) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < rounds; ++i)
        total += co_await asio::co_spawn(threads(), value_on_a_thread(i), use_awaitable);
    co_return total;
}

template <std::size_t InFlight>
awaitable<std::size_t> offload(std::size_t ops) {
    std::size_t const rounds = at_least_one(ops / InFlight);
    std::vector<task_handle> tasks;
    for (std::size_t i = 0; i < InFlight; ++i)
        tasks.push_back(create_task(offloader(rounds)));
    expect(co_await sum_of(std::move(tasks)), InFlight * sum_below(rounds));
    co_return InFlight * rounds;
}

// A thread outside posts a function now and then; how long until it runs, in nanoseconds.
std::vector<std::int64_t> wake_ups(std::size_t ops) {
    std::vector<std::int64_t> late(ops);
    auto const alive = asio::make_work_guard(context);
    std::thread outside([&late] {
        for (std::int64_t& l : late) {
            std::this_thread::sleep_for(idle_time);
            auto const posted = clock_type::now();
            asio::post(context, [&l, posted] { l = (clock_type::now() - posted).count(); });
        }
        std::this_thread::sleep_for(100 * idle_time);
        context.stop();
    });
    context.run();
    outside.join();
    return late;
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

awaitable<std::uint64_t> queens_of(int n, int row, trees::queens columns) {
    if (row == n)
        co_return 1;
    std::vector<operation_type> children;
    for (int column = 0; column < n; ++column)
        if (trees::safe(columns, row, column))
            children.push_back(operation(queens_of(n, row + 1, trees::with_queen(columns, row, column))));
    if (children.empty())
        co_return 0;
    co_return co_await gather_sum(std::move(children));
}

template <class Tree>
awaitable<std::size_t> repeat(trees::tree size, std::size_t ops, Tree tree_of) {
    std::size_t const repeats = at_least_one(ops / size.tasks);
    for (std::size_t i = 0; i < repeats; ++i)
        expect(co_await tree_of(size.argument), size.answer);
    co_return repeats * size.tasks;
}

awaitable<std::size_t> fib(std::size_t ops) {
    return repeat(fitting(trees::fib_trees, ops), ops, fib_of);
}
awaitable<std::size_t> skynet(std::size_t ops) {
    return repeat(fitting(trees::skynet_trees, ops), ops, [](std::size_t leaves) { return skynet_of(0, leaves); });
}
awaitable<std::size_t> nqueens(std::size_t ops) {
    return repeat(fitting(trees::nqueens_trees, ops), ops,
                  [](std::size_t n) { return queens_of(static_cast<int>(n), 0, trees::queens()); });
}

struct workload {
    char const* name;
    awaitable<std::size_t> (*run)(std::size_t ops);
};

constexpr workload workloads[] = {
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
    {"timeout_ready", timeouts<value>},
    {"timeout_yield", timeouts<yielding_value>},
    {"sleeps", sleeps},
    {"asleep", asleep},
    {"to_thread", offload<1>},
    {"to_thread_64", offload<64>},
    {"fib", fib},
    {"skynet", skynet},
    {"nqueens", nqueens},
};

awaitable<measurement> measure(workload w, std::size_t ops) {
    // Not for the memory of tasks: what the warm-up leaves behind would be used again.
    if (std::string_view(w.name) != "asleep")
        co_await w.run(at_least_one(ops / 10));
    stopwatch const watch;
    std::size_t const done = co_await w.run(ops);
    co_return watch.stop(done);
}

} // namespace

int main(int argc, char** argv) {
    try {
        arguments const a(argc, argv);
        if (a.workload == "wake_up") {
            std::cout << wake_up_json(wake_ups(a.ops)) << '\n';
            return 0;
        }
        auto const* const w = find_workload(workloads, a.workload);
        measurement result;
        asio::co_spawn(context.get_executor(), measure(*w, a.ops), [&](std::exception_ptr e, measurement m) {
            if (e)
                std::rethrow_exception(e);
            result = m;
            context.stop(); // `asleep` leaves sleepers behind
        });
        context.run();
        std::cout << result.json(a.workload) << '\n';
    } catch (std::exception const& e) {
        std::cerr << "versus_asio: " << e.what() << '\n';
        return 1;
    }
}
