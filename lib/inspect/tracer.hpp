// SPDX-License-Identifier: Apache-2.0
// Records what threads do, each in a ring of its own.
#pragma once

#include <aya/detail/spin_lock.hpp>
#include <aya/detail/task_state.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace aya::inline v1::detail {

struct trace_event {
    enum class kind : std::uint8_t { step, callback, steal, park, job, span };

    std::int64_t begin = 0; // steady clock, nanoseconds
    std::int64_t end = 0;
    std::uint64_t number = 0; // the task's id, or how much was stolen
    kind what = kind::step;
    std::array<char, 36> name{};
};

class tracer {
public:
    using time = std::chrono::steady_clock::time_point;

    static constexpr std::uint64_t most_events = std::uint64_t{1} << 32;

    tracer();

    /// Begins anew, with so many events a thread: what was recorded before is gone. Threads may still be writing it.
    void start(std::size_t events_per_thread);
    /// Whether events are taken.
    [[nodiscard]] bool on() const noexcept { return on_.load(std::memory_order_relaxed); } // from some event on
    void stop() noexcept { on_.store(false, std::memory_order_relaxed); }

    // Any thread.
    void step(task_state const* task, time begin, time end) noexcept;
    void steal(std::size_t tasks) noexcept;
    void park(time begin, time end) noexcept;
    void job(std::string_view name, std::uint64_t task, time begin, time end) noexcept;
    void span(std::string_view name, std::uint64_t task, time begin, time end) noexcept;

    /// Chrome's trace event format, as JSON. Any thread, while others record.
    [[nodiscard]] std::string text();

private:
    struct ring {
        spin_lock mutex; // its thread's, but for start() and text(); of events and written
        std::vector<trace_event> events; // none before the first one
        std::uint64_t written = 0;
        std::uint64_t thread = 0;
        std::string name;
    };

    void record(trace_event const& e) noexcept;
    [[nodiscard]] ring* mine(bool of_pool) noexcept;
    [[nodiscard]] bool make_room(ring& r) noexcept;

    std::uint64_t const id_; // no two tracers of a process have the same
    std::atomic<std::size_t> capacity_{1};
    std::atomic<std::int64_t> begin_{0};
    std::atomic<bool> on_{false};
    std::atomic<std::uint64_t> lost_{0}; // events of threads for which there was no memory
    std::mutex mutex_;
    std::vector<std::unique_ptr<ring>> rings_; // under mutex_; each stays, as its thread may have it in hand
};

} // namespace aya::inline v1::detail
