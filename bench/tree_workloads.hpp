// SPDX-License-Identifier: Apache-2.0
// The fork-join workloads of README.md on aya: with gather, and with task groups.
#pragma once

#include "trees.hpp"

#include <aya/aya.hpp>

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace bench::trees {

using aya::task;
using aya::task_group;
using aya::task_handle;

inline task<std::uint64_t> gather_sum(std::vector<task<std::uint64_t>> children) {
    std::vector<std::uint64_t> const results = co_await aya::gather(std::move(children));
    co_return std::accumulate(results.begin(), results.end(), std::uint64_t{0});
}

inline task<std::uint64_t> fib_of(std::size_t n) {
    if (n < 2)
        co_return n;
    auto const [a, b] = co_await aya::gather(fib_of(n - 1), fib_of(n - 2));
    co_return a + b;
}

inline task<std::uint64_t> skynet_of(std::uint64_t first, std::uint64_t size) {
    if (size == 1)
        co_return first;
    std::uint64_t const part = size / 10;
    std::vector<task<std::uint64_t>> children;
    children.reserve(10);
    for (std::uint64_t i = 0; i < 10; ++i)
        children.push_back(skynet_of(first + i * part, part));
    std::vector<std::uint64_t> const results = co_await aya::gather(std::move(children));
    co_return std::accumulate(results.begin(), results.end(), std::uint64_t{0});
}

inline task<std::uint64_t> queens_of(int n, int row, queens columns) {
    if (row == n)
        co_return 1;
    std::vector<task<std::uint64_t>> children;
    children.reserve(static_cast<std::size_t>(n));
    for (int column = 0; column < n; ++column)
        if (safe(columns, row, column))
            children.push_back(queens_of(n, row + 1, with_queen(columns, row, column)));
    std::vector<std::uint64_t> const results = co_await aya::gather(std::move(children));
    co_return std::accumulate(results.begin(), results.end(), std::uint64_t{0});
}

inline task<> product_of(block m) {
    if (m.small()) {
        m.multiply();
        co_return;
    }
    for (int half = 0; half < 2; ++half)
        co_await aya::gather(product_of(m.part(half, 0)), product_of(m.part(half, 1)), product_of(m.part(half, 2)),
                             product_of(m.part(half, 3)));
}

// With task groups: children are tasks of their own, and the body goes on beside them.

inline task<std::uint64_t> fib_group_of(std::size_t n);

inline task<std::uint64_t> fib_body(task_group& group, std::size_t n) {
    auto const a = group.create_task(fib_group_of(n - 1));
    std::uint64_t const b = co_await fib_group_of(n - 2);
    co_return co_await a + b;
}

inline task<std::uint64_t> fib_group_of(std::size_t n) {
    if (n < 2)
        co_return n;
    co_return co_await aya::with_task_group(fib_body, std::size_t{n});
}

inline task<std::uint64_t> skynet_group_of(std::uint64_t first, std::uint64_t size);

inline task<std::uint64_t> skynet_body(task_group& group, std::uint64_t first, std::uint64_t part) {
    std::vector<task_handle<std::uint64_t>> children;
    children.reserve(10);
    for (std::uint64_t i = 0; i < 10; ++i)
        children.push_back(group.create_task(skynet_group_of(first + i * part, part)));
    std::uint64_t total = 0;
    for (auto const& child : children)
        total += co_await child;
    co_return total;
}

inline task<std::uint64_t> skynet_group_of(std::uint64_t first, std::uint64_t size) {
    if (size == 1)
        co_return first;
    co_return co_await aya::with_task_group(skynet_body, std::uint64_t{first}, size / 10);
}

inline task<std::uint64_t> queens_group_of(int n, int row, queens columns);

inline task<std::uint64_t> queens_body(task_group& group, int n, int row, queens columns) {
    std::vector<task_handle<std::uint64_t>> children;
    children.reserve(static_cast<std::size_t>(n));
    for (int column = 0; column < n; ++column)
        if (safe(columns, row, column))
            children.push_back(group.create_task(queens_group_of(n, row + 1, with_queen(columns, row, column))));
    std::uint64_t total = 0;
    for (auto const& child : children)
        total += co_await child;
    co_return total;
}

inline task<std::uint64_t> queens_group_of(int n, int row, queens columns) {
    if (row == n)
        co_return 1;
    co_return co_await aya::with_task_group(queens_body, int{n}, int{row}, queens(columns));
}

inline task<> product_group_of(block m);

inline task<> product_body(task_group& group, block m, int half) {
    for (int number = 0; number < 4; ++number)
        static_cast<void>(group.create_task(product_group_of(m.part(half, number))));
    co_return;
}

inline task<> product_group_of(block m) {
    if (m.small()) {
        m.multiply();
        co_return;
    }
    for (int half = 0; half < 2; ++half)
        co_await aya::with_task_group(product_body, block(m), int{half});
}

template <class Tree>
task<std::size_t> repeat(tree size, std::size_t ops, Tree tree_of) {
    std::size_t const repeats = at_least_one(ops / size.tasks);
    for (std::size_t i = 0; i < repeats; ++i)
        expect(co_await tree_of(size.argument), size.answer);
    co_return repeats * size.tasks;
}

template <task<> (*Product)(block)>
task<std::uint64_t> multiply(std::size_t size) {
    matrices m(size);
    co_await Product(whole(m, size));
    co_return m.sum();
}

inline task<std::size_t> fib(std::size_t ops) { return repeat(fitting(fib_trees, ops), ops, fib_of); }
inline task<std::size_t> fib_group(std::size_t ops) { return repeat(fitting(fib_trees, ops), ops, fib_group_of); }
inline task<std::size_t> skynet(std::size_t ops) {
    return repeat(fitting(skynet_trees, ops), ops, [](std::size_t leaves) { return skynet_of(0, leaves); });
}
inline task<std::size_t> skynet_group(std::size_t ops) {
    return repeat(fitting(skynet_trees, ops), ops, [](std::size_t leaves) { return skynet_group_of(0, leaves); });
}
inline task<std::size_t> nqueens(std::size_t ops) {
    return repeat(fitting(nqueens_trees, ops), ops, [](std::size_t n) { return queens_of(static_cast<int>(n), 0, queens()); });
}
inline task<std::size_t> nqueens_group(std::size_t ops) {
    return repeat(fitting(nqueens_trees, ops), ops,
                  [](std::size_t n) { return queens_group_of(static_cast<int>(n), 0, queens()); });
}
inline task<std::size_t> matmul(std::size_t ops) { return repeat(fitting(matmul_trees, ops), ops, multiply<product_of>); }
inline task<std::size_t> matmul_group(std::size_t ops) {
    return repeat(fitting(matmul_trees, ops), ops, multiply<product_group_of>);
}

} // namespace bench::trees
