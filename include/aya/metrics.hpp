// SPDX-License-Identifier: Apache-2.0
// What runtime::metrics() gives: counters, sizes, and distributions of times.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace aya::inline v1 {

/// How often a time fell into each of a row of intervals.
struct time_histogram {
    std::vector<double> bounds;         ///< in seconds, ascending: interval i ends with bounds[i], the last one has no end
    std::vector<std::uint64_t> counts;  ///< one more than bounds
    std::uint64_t count = 0;            ///< of all
    double sum = 0;                     ///< of the times, in seconds

    /// The bound below which a part of all times lies: quantile(0.99). 0 when there are none, infinity for the last interval.
    [[nodiscard]] double quantile(double part) const noexcept;
};

struct worker_metrics {
    std::uint64_t steps = 0;      ///< pieces of work it has taken from a queue: steps of tasks, callbacks, and the first of a row of forked children
    std::uint64_t steals = 0;     ///< how often it took work from another worker
    std::uint64_t stolen = 0;     ///< how much that was
    std::uint64_t parks = 0;      ///< how often it went to sleep
    std::size_t ready = 0;        ///< woken tasks in its queue
    std::chrono::nanoseconds busy{}; ///< awake, with looking for work
    std::chrono::nanoseconds idle{}; ///< asleep
};

/// Each figure is read by itself, while the runtime runs on: sums need not fit to the last unit.
struct runtime_metrics {
    std::string name; ///< runtime_options::name
    std::uint64_t tasks_spawned = 0;   ///< without a gather's children, unless they have been suspended on a thread pool
    std::uint64_t tasks_completed = 0; ///< in whatever way
    std::uint64_t tasks_cancelled = 0; ///< of those, cancelled ones
    std::uint64_t tasks_failed = 0;    ///< of those, by an exception
    std::size_t tasks_alive = 0;
    std::vector<worker_metrics> workers; ///< of an event loop, its thread; idle and busy times are a pool's only
    std::size_t injected = 0;            ///< work from other threads that no worker has taken yet
    std::size_t timers = 0;
    std::size_t blocking_threads = 0; ///< behind to_thread(), those that exist
    std::size_t blocking_queued = 0;
    std::size_t cpu_threads = 0;      ///< behind to_cpu()
    std::size_t cpu_jobs = 0;         ///< queued or running
    std::size_t cpu_queued = 0;       ///< of those, the ones that there is no thread for
    /// With runtime_options::histograms. How long a task waits from being woken until it runs, by samples; and how long
    /// steps take.
    std::optional<time_histogram> scheduling_delay;
    std::optional<time_histogram> step_time;

    /// The text that Prometheus scrapes (exposition format 0.0.4), every name with `prefix` and an underscore before it, and the runtime's name as a
    /// label.
    [[nodiscard]] std::string prometheus(std::string_view prefix = "aya") const;
};

} // namespace aya::inline v1
