// SPDX-License-Identifier: Apache-2.0
// Small calls through a process_pool: how many a second. bench/process_jobs.py runs the same through Python's ProcessPoolExecutor.
// Arguments: number of calls (100,000), children (2).
#include <aya/aya.hpp>
#include <aya/process_pool.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <vector>

namespace {

using clock_type = std::chrono::steady_clock;

long successor(long n) { return n + 1; }

void report(char const* how, long calls, clock_type::time_point since) {
    std::chrono::duration<double> const taken = clock_type::now() - since;
    std::printf("%s %.0f\n", how, static_cast<double>(calls) / taken.count());
    std::fflush(stdout);
}

[[noreturn]] void wrong(char const* what) {
    std::fprintf(stderr, "%s: wrong result\n", what);
    std::exit(1);
}

// As the Python program does it: all are submitted, then all results are taken.
void with_futures(aya::process_pool& pool, long calls) {
    std::vector<std::future<long>> results;
    results.reserve(static_cast<std::size_t>(calls));
    auto const begin = clock_type::now();
    for (long i = 0; i < calls; ++i)
        results.push_back(pool.submit<&successor>(i));
    for (long i = 0; i < calls; ++i)
        if (results[static_cast<std::size_t>(i)].get() != i + 1)
            wrong("submit");
    report("submit", calls, begin);
}

aya::task<> caller(aya::process_pool& pool, long first, long step, long calls) {
    for (long i = first; i < calls; i += step)
        if (co_await aya::to_process<&successor>(pool, i) != i + 1)
            wrong("to_process");
}

// So many tasks, each of which awaits one call after the other.
aya::task<> with_tasks(aya::process_pool& pool, long calls, long tasks) {
    auto const begin = clock_type::now();
    std::vector<aya::task<>> all;
    for (long i = 0; i < tasks; ++i)
        all.push_back(caller(pool, i, tasks, calls));
    co_await aya::gather(std::move(all));
    report(tasks == 1 ? "one-by-one" : "to_process", calls, begin);
}

} // namespace

int main(int argc, char** argv) {
    aya::process_pool_main(argc, argv);
    long const calls = argc > 1 ? std::atol(argv[1]) : 100'000;
    std::size_t const children = argc > 2 ? static_cast<std::size_t>(std::atol(argv[2])) : 2;
    aya::process_pool pool({.max_workers = children});
    std::vector<std::future<long>> first; // starts the children
    for (long i = 0; i < 100; ++i)
        first.push_back(pool.submit<&successor>(i));
    for (auto& f : first)
        f.get();
    with_futures(pool, calls);
    aya::run(with_tasks(pool, calls, 256));
    aya::run(with_tasks(pool, calls / 10, 1));
}
