// SPDX-License-Identifier: Apache-2.0
#include <aya/concurrent_future.hpp>

#include "executors/runtime_core.hpp"

#include <aya/detail/scheduler.hpp>

#include <chrono>
#include <condition_variable>
#include <mutex>

namespace aya::inline v1::detail {

namespace {

struct end_signal final : completion {
    end_signal() noexcept : completion(&notified) {}

    static void notified(completion& c, task_state&) noexcept {
        auto& self = static_cast<end_signal&>(c);
        // Under the lock: the waiting thread owns this object and goes on only when it has the lock again.
        std::lock_guard const hold(self.mutex);
        self.done = true;
        self.changed.notify_one();
    }

    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
};

} // namespace

bool block_until_done(task_state& t, std::optional<duration> limit) {
    t.home().owner().require_same_process("aya::concurrent_future");
    time_point const now = std::chrono::steady_clock::now();
    time_point const deadline = limit ? saturating_add(now, *limit) : time_point::max();
    end_signal signal;
    if (!t.add_completion(signal))
        return true;
    std::unique_lock lock(signal.mutex);
    auto const done = [&] { return signal.done; };
    if (deadline == time_point::max()) {
        signal.changed.wait(lock, done);
        return true;
    }
    if (signal.changed.wait_until(lock, deadline, done))
        return true;
    lock.unlock(); // a lock that notified() takes, and no task's lock is taken under it
    if (t.remove_completion(signal))
        return false;
    lock.lock();
    signal.changed.wait(lock, done);
    return true;
}

} // namespace aya::inline v1::detail
