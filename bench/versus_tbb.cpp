// SPDX-License-Identifier: Apache-2.0
// The fork-join workloads of README.md on oneTBB's task_group: a subject of `versus`.
#include "tree_measure.hpp"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include <array>
#include <cstdint>
#include <exception>
#include <iostream>

using namespace bench;
using namespace bench::trees;
using tbb::task_group;

namespace {

std::uint64_t fib_of(std::size_t n) {
    if (n < 2)
        return n;
    std::uint64_t a = 0;
    task_group group;
    group.run([&a, n] { a = fib_of(n - 1); });
    std::uint64_t const b = fib_of(n - 2);
    group.wait();
    return a + b;
}

std::uint64_t skynet_of(std::uint64_t first, std::uint64_t size) {
    if (size == 1)
        return first;
    std::uint64_t const part = size / 10;
    std::array<std::uint64_t, 10> results{};
    task_group group;
    for (std::uint64_t i = 0; i < 10; ++i)
        group.run([&results, first, part, i] { results[i] = skynet_of(first + i * part, part); });
    group.wait();
    return total(results);
}

std::uint64_t queens_of(int n, int row, queens columns) {
    if (row == n)
        return 1;
    std::array<std::uint64_t, 14> results{};
    task_group group;
    for (int column = 0; column < n; ++column)
        if (safe(columns, row, column))
            group.run([&result = results[static_cast<std::size_t>(column)], n, row, next = with_queen(columns, row, column)] {
                result = queens_of(n, row + 1, next);
            });
    group.wait();
    return total(results);
}

void product_of(block m) {
    if (m.small()) {
        m.multiply();
        return;
    }
    for (int half = 0; half < 2; ++half) {
        task_group group;
        for (int number = 0; number < 4; ++number)
            group.run([part = m.part(half, number)] { product_of(part); });
        group.wait();
    }
}

constexpr functions all{fib_of, skynet_of, queens_of, product_of};

} // namespace

int main(int argc, char** argv) {
    try {
        arguments const a(argc, argv);
        tbb::global_control const limit(tbb::global_control::max_allowed_parallelism, a.workers);
        tbb::task_arena arena(static_cast<int>(a.workers));
        std::cout << arena.execute([&] { return measure(all, a); }) << '\n';
    } catch (std::exception const& e) {
        std::cerr << "versus_tbb: " << e.what() << '\n';
        return 1;
    }
}
