// SPDX-License-Identifier: Apache-2.0
// The fork-join workloads of README.md on OpenMP's tasks: a subject of `versus`.
#include "tree_measure.hpp"

#include <array>
#include <cstdint>
#include <exception>
#include <iostream>
#include <string>

using namespace bench;
using namespace bench::trees;

namespace {

std::uint64_t fib_of(std::size_t n) {
    if (n < 2)
        return n;
    std::uint64_t a = 0;
#pragma omp task shared(a) firstprivate(n)
    a = fib_of(n - 1);
    std::uint64_t const b = fib_of(n - 2);
#pragma omp taskwait
    return a + b;
}

std::uint64_t skynet_of(std::uint64_t first, std::uint64_t size) {
    if (size == 1)
        return first;
    std::uint64_t const part = size / 10;
    std::array<std::uint64_t, 10> results{};
    for (std::uint64_t i = 0; i < 10; ++i) {
#pragma omp task shared(results) firstprivate(first, part, i)
        results[i] = skynet_of(first + i * part, part);
    }
#pragma omp taskwait
    return total(results);
}

std::uint64_t queens_of(int n, int row, queens columns) {
    if (row == n)
        return 1;
    std::array<std::uint64_t, 14> results{};
    for (int column = 0; column < n; ++column) {
        if (safe(columns, row, column)) {
#pragma omp task shared(results) firstprivate(n, row, columns, column)
            results[static_cast<std::size_t>(column)] = queens_of(n, row + 1, with_queen(columns, row, column));
        }
    }
#pragma omp taskwait
    return total(results);
}

void product_of(block m) {
    if (m.small()) {
        m.multiply();
        return;
    }
    for (int half = 0; half < 2; ++half) {
        for (int number = 0; number < 4; ++number) {
#pragma omp task firstprivate(m, half, number)
            product_of(m.part(half, number));
        }
#pragma omp taskwait
    }
}

constexpr functions all{fib_of, skynet_of, queens_of, product_of};

} // namespace

int main(int argc, char** argv) {
    try {
        arguments const a(argc, argv);
        std::string result;
        auto const threads = static_cast<int>(a.workers);
#pragma omp parallel num_threads(threads)
#pragma omp single
        result = measure(all, a);
        std::cout << result << '\n';
    } catch (std::exception const& e) {
        std::cerr << "versus_openmp: " << e.what() << '\n';
        return 1;
    }
}
