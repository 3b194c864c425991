// SPDX-License-Identifier: Apache-2.0
#include "executors/cpu_pool.hpp"

#include "executors/clock_source.hpp"

#include <aya/errors.hpp>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

namespace aya::detail {

struct cpu_pool::arena {
    explicit arena(std::size_t threads)
        // oneTBB counts on the submitting thread's help and would start one thread less; our workers never help.
        : allowed(tbb::global_control::max_allowed_parallelism, threads + 1), inner(static_cast<int>(threads), 0) {}

    tbb::global_control allowed;
    tbb::task_arena inner;
};

cpu_pool::cpu_pool(std::size_t threads, clock_source& clock)
    : arena_(std::make_unique<arena>(threads)), clock_(clock) {}

cpu_pool::~cpu_pool() {
    std::unique_lock lock(mutex_);
    all_done_.wait(lock, [&] { return pending_ == 0; });
}

void cpu_pool::submit(offload_job& job) noexcept {
    {
        std::lock_guard const guard(mutex_);
        pending_ += 2; // the job, and this call: the job may be over, and the runtime at its end, before enqueue() returns
    }
    clock_.outside.fetch_add(1);
    try {
        arena_->inner.enqueue([&job, this] {
            {
                // oneTBB's own hand-over is invisible to ThreadSanitizer; this one it sees.
                std::lock_guard const guard(mutex_);
            }
            job.run();
            clock_.outside.fetch_sub(1); // after the wake-up, so that virtual time sees the task before it sees us idle
            leave();
        });
    } catch (...) {
        job.refuse(std::make_exception_ptr(broken_executor("aya::to_cpu: the CPU pool cannot take the job")));
        clock_.outside.fetch_sub(1);
        leave();
    }
    leave();
}

void cpu_pool::leave() noexcept {
    std::lock_guard const guard(mutex_);
    if (--pending_ == 0)
        all_done_.notify_all(); // under the lock: once it is released, the pool may be gone
}

} // namespace aya::detail
