// SPDX-License-Identifier: Apache-2.0
// The scheduler of tasks that run on an executor: steps go there, timers and the registry stay with their runtime.
#pragma once

#include "executors/runtime_core.hpp"

#include <aya/detail/executor_base.hpp>
#include <aya/detail/frame_memory.hpp>
#include <aya/detail/placement.hpp>
#include <aya/detail/scheduler.hpp>

#include <atomic>
#include <cstdint>
#include <memory>

namespace aya::inline v1::detail {

class elsewhere final : public scheduler, public frame_allocated {
public:
    /// With one reference, the caller's. Each task that runs here, or did, holds another.
    elsewhere(scheduler& base, std::shared_ptr<executor_base> e) noexcept
        : scheduler(base), executor_(std::move(e)) {}

    void schedule(ready& r) noexcept override;
    void fork(ready& chain) noexcept override;
    void fork_child(task_state& child) noexcept override { schedule(child); }
    [[nodiscard]] time_point now() const noexcept override { return base().now(); }
    [[nodiscard]] bool is_over(time_point t) const noexcept override { return base().is_over(t); }
    [[nodiscard]] timer_queue& timers() noexcept override { return base().timers(); }

    [[nodiscard]] std::shared_ptr<executor_base> const& executor() const noexcept { return executor_; }

    /// Runs `step` of `r` on this thread, as this scheduler.
    void run(ready& r, ready::function step) noexcept;

    void add_reference() noexcept { references_.fetch_add(1); }
    void release() noexcept {
        if (references_.fetch_sub(1) == 1)
            delete this;
    }

private:
    ~elsewhere() = default;

    std::shared_ptr<executor_base> const executor_;
    std::atomic<std::uint32_t> references_{1};
};

} // namespace aya::inline v1::detail
