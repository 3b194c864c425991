// SPDX-License-Identifier: Apache-2.0
// What the C++ subjects of `versus` share, whatever library they run on: the sizes and answers of the
// workloads, the clock, the command line and the line of JSON.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <time.h>

namespace bench {

inline constexpr std::size_t chunk_size = 10'000; ///< tasks that `spawn_10k` has at once
inline constexpr std::size_t yielders = 1'000;
inline constexpr std::size_t ping_pong_pairs = 1'000;
inline constexpr std::size_t chain_depth = 1'000;
inline constexpr std::size_t lockers = 16;
inline constexpr std::size_t acquirers = 20;
inline constexpr std::size_t permits = 5;
inline constexpr std::size_t timed = 100;
inline constexpr std::chrono::microseconds idle_time{500}; ///< before each post of `wake_up`

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

/// How long the i-th task of `sleeps` sleeps: 0 to 1 s, scattered, the same in every subject.
constexpr std::chrono::microseconds sleep_time(std::size_t i) noexcept {
    return std::chrono::microseconds(i * 7'919 % 1'000'003);
}

/// A size that /proc/self/status has.
inline long status_kb(std::string_view field) {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;) {
        if (word == field) {
            long kb = 0;
            status >> kb;
            return kb;
        }
    }
    return 0;
}

/// The most memory the process has had resident. Not by getrusage(): its maximum is inherited through exec.
inline long peak_rss_kb() {
    return status_kb("VmHWM:");
}

struct measurement {
    double wall_ns = 0;
    double cpu_ns = 0;
    double grown_bytes = 0;
    std::size_t ops = 0;

    /// One line for `versus`. `sleeps` counts CPU time, since a sleep is meant to take long.
    [[nodiscard]] std::string json(std::string_view workload) const {
        auto const n = static_cast<double>(ops);
        std::ostringstream out;
        out.precision(10);
        out << "{\"ns_per_op\": " << (workload == "sleeps" ? cpu_ns : wall_ns) / n
            << ", \"wall_ns_per_op\": " << wall_ns / n << ", \"cpu_ns_per_op\": " << cpu_ns / n << ", \"ops\": " << ops
            << ", \"bytes_per_op\": " << grown_bytes / n << ", \"peak_rss_kb\": " << peak_rss_kb() << "}";
        return out.str();
    }
};

/// Wall and CPU time since its construction.
class stopwatch {
public:
    [[nodiscard]] measurement stop(std::size_t ops) const {
        double const wall = now(CLOCK_MONOTONIC) - wall_;
        double const cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu_;
        return {wall, cpu, static_cast<double>(status_kb("VmRSS:") - rss_kb_) * 1024, ops};
    }

private:
    static double now(clockid_t clock) {
        timespec t{};
        clock_gettime(clock, &t);
        return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
    }

    long rss_kb_ = status_kb("VmRSS:");
    double wall_ = now(CLOCK_MONOTONIC);
    double cpu_ = now(CLOCK_PROCESS_CPUTIME_ID);
};

/// The line of JSON of `wake_up`.
inline std::string wake_up_json(std::vector<std::int64_t> late) {
    std::sort(late.begin(), late.end());
    auto const at = [&](double share) { return late[static_cast<std::size_t>(share * static_cast<double>(late.size() - 1))]; };
    std::ostringstream out;
    out << "{\"ns_per_op\": " << at(0.5) << ", \"wall_ns_per_op\": " << idle_time.count() * 1000 << ", \"p99_ns\": " << at(0.99)
        << ", \"ops\": " << late.size() << ", \"peak_rss_kb\": " << peak_rss_kb() << "}";
    return out.str();
}

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
