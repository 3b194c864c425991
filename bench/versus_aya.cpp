// SPDX-License-Identifier: Apache-2.0
// The workloads of README.md on aya: one subject of `versus`.
#include "workloads.hpp"

#include <exception>
#include <iostream>

namespace {

aya::task<bench::measurement> measure(bench::workload w, std::size_t ops) {
    co_await w.run(bench::at_least_one(ops / 10));
    bench::stopwatch const watch;
    std::size_t const done = co_await w.run(ops);
    co_return watch.stop(done);
}

} // namespace

int main(int argc, char** argv) {
    try {
        bench::arguments const a(argc, argv);
        auto const* const w = bench::find_workload(bench::workloads, a.workload);
        aya::runtime_options options;
        options.scheduler = a.event_loop ? aya::scheduler_kind::event_loop : aya::scheduler_kind::thread_pool;
        options.workers = a.workers;
        bench::measurement const result = aya::run(options, measure, *w, a.ops);
        std::cout << result.json(a.workload == "timers") << '\n';
    } catch (std::exception const& e) {
        std::cerr << "versus_aya: " << e.what() << '\n';
        return 1;
    }
}
