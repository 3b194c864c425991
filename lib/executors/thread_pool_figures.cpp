// SPDX-License-Identifier: Apache-2.0
// What others read of a thread pool while it runs.
#include "executors/clock_source.hpp"
#include "executors/runtime_core.hpp"
#include "executors/thread_pool.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace aya::inline v1::detail {

void thread_pool::park(worker& w, time_point deadline, io_driver* driver) noexcept {
    auto const begin = std::chrono::steady_clock::now();
    // Relaxed: figures, for metrics.
    w.asleep_since.store(begin.time_since_epoch().count(), std::memory_order_relaxed);
    park_there(w, deadline, driver);
    auto const end = std::chrono::steady_clock::now();
    w.asleep_since.store(0, std::memory_order_relaxed);
    w.time_asleep.add(static_cast<std::uint64_t>((end - begin).count()));
    w.parks.add(1);
    if (watched()) [[unlikely]]
        owner().trace_park(begin, end);
}

bool thread_pool::at_rest() noexcept {
    return idle_.while_all_sleep([this] { return clock_.outside.load() == 0 && next_deadline() == time_point::max() && injected_.empty(); });
}

std::uint64_t thread_pool::steps() const noexcept {
    std::uint64_t all = 0;
    for (auto const& w : workers_)
        all += w->steps.get();
    return all;
}

std::size_t thread_pool::running_workers() const noexcept {
    // Relaxed: asked when all are at rest.
    return static_cast<std::size_t>(
        std::count_if(workers_.begin(), workers_.end(), [](auto const& w) { return w->awake_since.load(std::memory_order_relaxed) != 0; }));
}

void thread_pool::read_metrics(runtime_metrics& m) noexcept {
    std::int64_t const now = std::chrono::steady_clock::now().time_since_epoch().count();
    m.timers += foreign_timers_.size();
    // Relaxed: figures that need not fit together.
    std::uint64_t const accepted = accepted_.load(std::memory_order_relaxed);
    std::uint64_t const posted = posting_.load(std::memory_order_relaxed) / (posting_mask + 1) + overflowed_.load(std::memory_order_relaxed);
    m.injected = posted > accepted ? static_cast<std::size_t>(posted - accepted) : 0;
    for (auto const& w : workers_) {
        worker_metrics mine;
        mine.steps = w->steps.get();
        mine.steals = w->steals.get();
        mine.stolen = w->stolen_in_all.get();
        mine.parks = w->parks.get();
        mine.ready = w->queue.size();
        std::int64_t const started = w->awake_since.load(std::memory_order_relaxed);
        std::int64_t const asleep = w->asleep_since.load(std::memory_order_relaxed);
        std::int64_t idle = static_cast<std::int64_t>(w->time_asleep.get());
        if (asleep != 0 && now > asleep)
            idle += now - asleep;
        mine.idle = std::chrono::nanoseconds(idle);
        if (started != 0)
            mine.busy = std::chrono::nanoseconds(std::max<std::int64_t>(now - started - idle, 0));
        m.timers += w->timers.size();
        m.workers.push_back(mine);
    }
}

} // namespace aya::inline v1::detail
