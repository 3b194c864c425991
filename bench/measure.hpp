// SPDX-License-Identifier: Apache-2.0
// What the C++ subjects of `versus` share, whatever library they run on: the sizes and answers of the
// workloads, the clock, the command line and the line of JSON.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

#include <time.h>

namespace bench {

inline constexpr std::size_t chunk_size = 10'000; ///< tasks that `spawn` and `timers` have at once
inline constexpr std::size_t yielders = 1'000;
inline constexpr std::size_t ping_pong_pairs = 16;
inline constexpr std::size_t chain_depth = 1'000;

constexpr std::size_t at_least_one(std::size_t n) noexcept {
    return n == 0 ? 1 : n;
}

/// 0 + 1 + ... + (n - 1)
constexpr std::uint64_t sum_below(std::uint64_t n) noexcept {
    return n == 0 ? 0 : n * (n - 1) / 2;
}

inline void expect(std::uint64_t got, std::uint64_t wanted) {
    if (got != wanted)
        throw std::runtime_error("wrong result: " + std::to_string(got) + ", not " + std::to_string(wanted));
}

/// How long the i-th task of `timers` sleeps: 0 to 10 ms, scattered, the same in every subject.
constexpr std::chrono::microseconds sleep_time(std::size_t i) noexcept {
    return std::chrono::microseconds(i * 7919 % 10'007);
}

struct tree_size {
    std::size_t argument;
    std::uint64_t answer;
    std::size_t tasks; ///< in the whole tree
};
inline constexpr std::array<tree_size, 3> fib_sizes{
    {{25, 75'025, 242'785}, {20, 6'765, 21'891}, {15, 610, 1'973}}};
inline constexpr std::array<tree_size, 3> skynet_sizes{
    {{100'000, 4'999'950'000, 111'111}, {10'000, 49'995'000, 11'111}, {1'000, 499'500, 1'111}}};
inline constexpr std::array<tree_size, 3> nqueens_sizes{{{10, 724, 35'539}, {8, 92, 2'057}, {6, 4, 153}}};

/// The largest tree of at most `ops` tasks, or the smallest of all.
constexpr tree_size fitting(std::array<tree_size, 3> const& sizes, std::size_t ops) noexcept {
    for (tree_size const& s : sizes)
        if (s.tasks <= ops)
            return s;
    return sizes.back();
}

/// A partly filled chess board of at most 31 columns; each set has one bit a column.
class board {
public:
    explicit board(std::size_t n) noexcept : all_((1U << n) - 1) {}

    [[nodiscard]] bool complete() const noexcept { return columns_ == all_; }
    /// The columns of the next row that no queen attacks.
    [[nodiscard]] std::uint32_t free() const noexcept { return all_ & ~(columns_ | left_ | right_); }
    /// With one more queen, on the first of the columns in `candidates`.
    [[nodiscard]] board with_queen(std::uint32_t candidates) const noexcept {
        std::uint32_t const bit = candidates & (~candidates + 1);
        board next = *this;
        next.columns_ |= bit;
        next.left_ = ((left_ | bit) << 1) & all_;
        next.right_ = (right_ | bit) >> 1;
        return next;
    }

private:
    std::uint32_t all_;
    std::uint32_t columns_ = 0;
    std::uint32_t left_ = 0;
    std::uint32_t right_ = 0;
};

/// The most memory the process has had resident. Not by getrusage(): its maximum is inherited through exec.
inline long peak_rss_kb() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (word == "VmHWM:") {
            long kb = 0;
            status >> kb;
            return kb;
        }
    }
    return 0;
}

struct measurement {
    double wall_ns = 0;
    double cpu_ns = 0;
    std::size_t ops = 0;

    /// One line for `versus`. Workloads that mostly sleep count CPU time.
    [[nodiscard]] std::string json(bool by_cpu) const {
        auto const n = static_cast<double>(ops);
        std::ostringstream out;
        out.precision(10);
        out << "{\"ns_per_op\": " << (by_cpu ? cpu_ns : wall_ns) / n
            << ", \"wall_ns_per_op\": " << wall_ns / n << ", \"ops\": " << ops
            << ", \"peak_rss_kb\": " << peak_rss_kb() << "}";
        return out.str();
    }
};

/// Wall and CPU time since its construction.
class stopwatch {
public:
    [[nodiscard]] measurement stop(std::size_t ops) const {
        return {now(CLOCK_MONOTONIC) - wall_, now(CLOCK_PROCESS_CPUTIME_ID) - cpu_, ops};
    }

private:
    static double now(clockid_t clock) {
        timespec t{};
        clock_gettime(clock, &t);
        return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
    }

    double wall_ = now(CLOCK_MONOTONIC);
    double cpu_ = now(CLOCK_PROCESS_CPUTIME_ID);
};

/// --workload NAME --ops N [--scheduler pool|loop] [--workers N]
struct arguments {
    arguments(int argc, char** argv) {
        for (int i = 1; i < argc; i += 2) {
            std::string_view const flag = argv[i];
            if (i + 1 == argc)
                throw std::invalid_argument("no value for " + std::string(flag));
            std::string const given = argv[i + 1];
            if (flag == "--workload")
                workload = given;
            else if (flag == "--ops")
                ops = std::stoull(given);
            else if (flag == "--workers")
                workers = std::stoull(given);
            else if (flag == "--scheduler" && (given == "pool" || given == "loop"))
                event_loop = given == "loop";
            else
                throw std::invalid_argument("not understood: " + std::string(flag) + " " + given);
        }
    }

    std::string workload;
    std::size_t ops = 1;
    std::size_t workers = 1;
    bool event_loop = false;
};

template <class Workload, std::size_t N>
Workload const* find_workload(Workload const (&all)[N], std::string_view name) {
    for (Workload const& w : all)
        if (w.name == name)
            return &w;
    throw std::invalid_argument("no such workload: " + std::string(name));
}

} // namespace bench
