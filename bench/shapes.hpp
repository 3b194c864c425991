// SPDX-License-Identifier: Apache-2.0
// Registers a workload with Google Benchmark on every kind of runtime.
#pragma once

#include "workloads.hpp"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <string>

namespace bench {

/// Registers NAME/loop/1, NAME/pool/1 and NAME/pool/2. An iteration is `ops` operations; the counter `op` is
/// the time of one.
inline bool on_every_shape(std::string const& name, std::size_t ops) {
    struct shape {
        char const* name;
        aya::scheduler_kind scheduler;
        std::size_t workers;
    };
    static constexpr shape shapes[] = {
        {"loop", aya::scheduler_kind::event_loop, 1},
        {"pool", aya::scheduler_kind::thread_pool, 1},
        {"pool", aya::scheduler_kind::thread_pool, 2},
    };
    workload const& w = *find_workload(workloads, name);
    for (shape const& s : shapes) {
        auto const body = [w, s, ops](benchmark::State& state) {
            aya::runtime_options options;
            options.scheduler = s.scheduler;
            options.workers = s.workers;
            aya::runtime runtime(options);
            std::size_t done = 0;
            for ([[maybe_unused]] auto _ : state)
                done += runtime.block_on(w.run(ops));
            state.counters["op"] = benchmark::Counter(
                static_cast<double>(done), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
        };
        std::string const full = name + '/' + s.name + '/' + std::to_string(s.workers);
        benchmark::RegisterBenchmark(full.c_str(), body)->UseRealTime()->MeasureProcessCPUTime();
    }
    return true;
}

} // namespace bench
