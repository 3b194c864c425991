// SPDX-License-Identifier: Apache-2.0
// The workloads of README.md on aya: one subject of `versus`.
#include "workloads.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

aya::task<bench::measurement> measure(bench::workload w, std::size_t ops) {
    // Not for the memory of tasks: what the warm-up leaves behind would be used again.
    if (std::string_view(w.name) != "asleep")
        co_await w.run(bench::at_least_one(ops / 10));
    bench::stopwatch const watch;
    std::size_t const done = co_await w.run(ops);
    co_return watch.stop(done);
}

using clock_type = std::chrono::steady_clock;

aya::task<> run_late(std::int64_t& late, clock_type::time_point posted) {
    late = (clock_type::now() - posted).count();
    co_return;
}

/// A thread outside posts a task now and then; how long until it runs, in nanoseconds.
aya::task<std::vector<std::int64_t>> wake_ups(aya::runtime* runtime, std::size_t ops) {
    aya::promise<std::vector<std::int64_t>> end;
    auto const result = end.get_future();
    std::thread outside([runtime, ops, &end] {
        std::vector<std::int64_t> late(ops);
        for (std::size_t i = 0; i < ops; ++i) {
            std::this_thread::sleep_for(bench::idle_time);
            static_cast<void>(runtime->spawn(run_late(late[i], clock_type::now())));
        }
        std::this_thread::sleep_for(100 * bench::idle_time);
        end.set_value(std::move(late));
    });
    auto all = co_await result;
    outside.join();
    co_return all;
}

} // namespace

int main(int argc, char** argv) {
    try {
        bench::arguments const a(argc, argv);
        aya::runtime_options options;
        options.scheduler = a.event_loop ? aya::scheduler_kind::event_loop : aya::scheduler_kind::thread_pool;
        options.workers = a.workers;
        aya::runtime runtime(options);
        if (a.workload == "wake_up") {
            std::cout << bench::wake_up_json(runtime.block_on(wake_ups, &runtime, a.ops)) << '\n';
            return 0;
        }
        auto const* const w = bench::find_workload(bench::workloads, a.workload);
        std::cout << runtime.block_on(measure, *w, a.ops).json(a.workload) << '\n';
    } catch (std::exception const& e) {
        std::cerr << "versus_aya: " << e.what() << '\n';
        return 1;
    }
}
