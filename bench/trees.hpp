// SPDX-License-Identifier: Apache-2.0
// The fork-join workloads without the forks: sizes, answers, and what a node computes; the same in every subject.
#pragma once

#include "measure.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench::trees {

struct tree {
    std::size_t argument;
    std::uint64_t answer;
    std::size_t tasks; ///< in the whole tree
};

inline constexpr std::array<tree, 5> fib_trees{{{39, 63'245'986, 204'668'309},
                                                {32, 2'178'309, 7'049'155},
                                                {25, 75'025, 242'785},
                                                {20, 6'765, 21'891},
                                                {15, 610, 1'973}}};
inline constexpr std::array<tree, 5> skynet_trees{{{100'000'000, 4'999'999'950'000'000, 111'111'111},
                                                   {1'000'000, 499'999'500'000, 1'111'111},
                                                   {100'000, 4'999'950'000, 111'111},
                                                   {10'000, 49'995'000, 11'111},
                                                   {1'000, 499'500, 1'111}}};
inline constexpr std::array<tree, 5> nqueens_trees{
    {{14, 365'596, 27'358'553}, {11, 2'680, 166'926}, {10, 724, 35'539}, {8, 92, 2'057}, {6, 4, 153}}};
/// All elements of the factors are 1, so the sum of the product's elements is the cube of the size.
inline constexpr std::array<tree, 5> matmul_trees{{{2048, 8'589'934'592, 299'593},
                                                   {1024, 1'073'741'824, 37'449},
                                                   {512, 134'217'728, 4'681},
                                                   {256, 16'777'216, 585},
                                                   {128, 2'097'152, 73}}};

/// The largest tree of at most `ops` tasks, or the smallest of all.
constexpr tree fitting(std::array<tree, 5> const& sizes, std::size_t ops) noexcept {
    for (tree const& t : sizes)
        if (t.tasks <= ops)
            return t;
    return sizes.back();
}

/// The columns of the queens in the rows so far.
using queens = std::array<char, 14>;

/// Whether a queen may stand in row `row` at `column`.
inline bool safe(queens const& columns, int row, int column) noexcept {
    for (int above = 0; above < row; ++above) {
        int const other = columns[static_cast<std::size_t>(above)];
        if (column == other || column == other - (row - above) || column == other + (row - above))
            return false;
    }
    return true;
}

inline queens with_queen(queens columns, int row, int column) noexcept {
    columns[static_cast<std::size_t>(row)] = static_cast<char>(column);
    return columns;
}

template <std::size_t Size>
constexpr std::uint64_t total(std::array<std::uint64_t, Size> const& results) noexcept {
    std::uint64_t sum = 0;
    for (std::uint64_t const r : results)
        sum += r;
    return sum;
}

inline constexpr int small_matrix = 32;

/// c += a * b for blocks of `size` rows and columns in matrices of `stride` columns.
inline void multiply_small(int const* a, int const* b, int* c, int size, int stride) noexcept {
    for (int i = 0; i < size; ++i)
        for (int k = 0; k < size; ++k)
            for (int j = 0; j < size; ++j)
                c[i * stride + j] += a[i * stride + k] * b[k * stride + j];
}

/// Two factors and their product.
struct matrices {
    explicit matrices(std::size_t size) : a(size * size, 1), b(size * size, 1), c(size * size, 0) {}

    [[nodiscard]] std::uint64_t sum() const noexcept {
        std::uint64_t total = 0;
        for (int x : c)
            total += static_cast<std::uint64_t>(x);
        return total;
    }

    std::vector<int> a;
    std::vector<int> b;
    std::vector<int> c;
};

/// The parts of the blocks in a product that is computed in eight parts: the four that can run at once first, then the other four.
struct block {
    int const* a;
    int const* b;
    int* c;
    int size;
    int stride;

    [[nodiscard]] bool small() const noexcept { return size <= small_matrix; }
    void multiply() const noexcept { multiply_small(a, b, c, size, stride); }

    /// Part 0 to 3 of the first or the second half.
    [[nodiscard]] block part(int half, int number) const noexcept {
        int const k = size / 2;
        int const row = number / 2 * k;
        int const column = number % 2 * k;
        int const inner = half * k;
        return {a + row * stride + inner, b + inner * stride + column, c + row * stride + column, k, stride};
    }
};

inline block whole(matrices& m, std::size_t size) noexcept {
    return {m.a.data(), m.b.data(), m.c.data(), static_cast<int>(size), static_cast<int>(size)};
}

} // namespace bench::trees
