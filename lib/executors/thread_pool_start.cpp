// SPDX-License-Identifier: Apache-2.0
// The threads of the workers: when they are started, and what becomes of the work where the system refuses one.
#include "executors/runtime_core.hpp"
#include "executors/thread_pool.hpp"
#include "executors/thread_setup.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>

namespace aya::inline v1::detail {

void thread_pool::start(worker& w, bool woken) {
    w.started = true;
    w.thread = std::thread([this, &w, woken] { run_worker(w, woken); });
}

// Who woke it counted it as searching. False when there is no thread for it: then somebody else has to do what it was called for.
bool thread_pool::start_late(worker& w) noexcept {
    std::exception_ptr failure;
    {
        std::lock_guard const guard(starting_);
        if (stopping_.load()) {
            idle_.end_search();
            return true; // nothing is left to do for it
        }
        try {
            start(w, true);
            running_.fetch_add(1);
            start_again_.store(time_point(), std::memory_order_relaxed); // see wake_one()
            return true;
        } catch (...) {
            failure = std::current_exception();
            w.started = false;
            idle_.end_search();
            start_again_.store(time_point(std::chrono::steady_clock::now()) + worker::start_pause, std::memory_order_relaxed);
            idle_.add_unstarted(w.index);
        }
    }
    setup_.reports().report({"A worker's thread cannot be started", {}, failure});
    return false;
}

void thread_pool::require_worker() {
    if (!lazy_ || running_.load() != 0)
        return;
    std::uint32_t const chosen = idle_.take_sleeper(false);
    if (chosen == idle_set::nobody)
        return; // one is being started
    worker& w = *workers_[chosen];
    std::lock_guard const guard(starting_);
    try {
        start(w, true);
        running_.fetch_add(1);
    } catch (...) {
        w.started = false;
        idle_.end_search();
        idle_.add_unstarted(w.index);
        throw;
    }
}

} // namespace aya::inline v1::detail
