// SPDX-License-Identifier: Apache-2.0
// The clock around the fork-join workloads of the subjects that have plain functions for them.
#pragma once

#include "trees.hpp"

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace bench::trees {

struct functions {
    std::uint64_t (*fib)(std::size_t n);
    std::uint64_t (*skynet)(std::uint64_t first, std::uint64_t size);
    std::uint64_t (*nqueens)(int n, int row, queens columns);
    void (*matmul)(block m);
};

/// Computes one tree.
inline std::uint64_t compute(functions const& f, std::string const& workload, tree const& t) {
    if (workload == "fib")
        return f.fib(t.argument);
    if (workload == "skynet")
        return f.skynet(0, t.argument);
    if (workload == "nqueens")
        return f.nqueens(static_cast<int>(t.argument), 0, queens());
    matrices m(t.argument);
    f.matmul(whole(m, t.argument));
    return m.sum();
}

inline std::size_t repeat(functions const& f, std::string const& workload, std::size_t ops) {
    auto const& sizes = workload == "fib"       ? fib_trees
                        : workload == "skynet"  ? skynet_trees
                        : workload == "nqueens" ? nqueens_trees
                        : workload == "matmul"  ? matmul_trees
                                                : throw std::invalid_argument("no such workload: " + workload);
    tree const t = fitting(sizes, ops);
    std::size_t const repeats = at_least_one(ops / t.tasks);
    for (std::size_t i = 0; i < repeats; ++i)
        expect(compute(f, workload, t), t.answer);
    return repeats * t.tasks;
}

/// Warms up with a tenth, then measures; gives the line of JSON.
inline std::string measure(functions const& f, arguments const& a) {
    repeat(f, a.workload, at_least_one(a.ops / 10));
    stopwatch const watch;
    std::size_t const done = repeat(f, a.workload, a.ops);
    return watch.stop(done).json(a.workload);
}

} // namespace bench::trees
