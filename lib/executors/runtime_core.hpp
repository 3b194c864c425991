// SPDX-License-Identifier: Apache-2.0
// What belongs to one runtime: its scheduler, its other pools, its clock and its exception handler.
#pragma once

#include "executors/blocking_pool.hpp"
#include "executors/clock_source.hpp"
#include "executors/cpu_pool.hpp"
#include "executors/event_loop.hpp"
#include "executors/report_sink.hpp"
#include "executors/thread_pool.hpp"

#include <aya/runtime.hpp>

#include <atomic>
#include <memory>
#include <mutex>

namespace aya::detail {

class runtime_core {
public:
    explicit runtime_core(runtime_options options);
    /// Cancels what is left, waits for its end, stops every thread. Not on a worker.
    ~runtime_core();

    [[nodiscard]] scheduler& tasks() noexcept { return *scheduler_; }
    [[nodiscard]] blocking_pool& blocking();
    [[nodiscard]] cpu_pool& cpu();
    [[nodiscard]] clock_source& clock() noexcept { return clock_; }
    [[nodiscard]] std::size_t worker_count() const noexcept;

    /// Blocks the calling thread until `t` is done; an event loop runs on it meanwhile.
    void wait_for(task_state& t);

    [[nodiscard]] std::shared_ptr<report_sink> const& reports() const noexcept { return reports_; }

private:
    void drain();

    runtime_options options_;
    clock_source clock_;
    std::shared_ptr<report_sink> reports_;
    std::mutex pools_mutex_;
    std::mutex driving_mutex_; // held by the thread that runs the event loop
    std::unique_ptr<thread_pool> pool_;
    std::unique_ptr<event_loop> loop_;
    scheduler* scheduler_ = nullptr;
    std::unique_ptr<blocking_pool> blocking_; // made on first use
    std::unique_ptr<cpu_pool> cpu_;
    std::atomic<blocking_pool*> blocking_published_{nullptr};
    std::atomic<cpu_pool*> cpu_published_{nullptr};
};

} // namespace aya::detail
