// SPDX-License-Identifier: Apache-2.0
// A thread outside the scheduler that waits for a task to be done, or drives an event loop for its host.
#pragma once

#include "executors/runtime_core.hpp"

#include <condition_variable>

namespace aya::inline v1::detail {

struct runtime_core::waiting_thread final : completion {
    waiting_thread(runtime_core& r, bool e) noexcept : completion(&notified), core(&r), wants_end_of_run(e) {}

    static void notified(completion& c, task_state&) noexcept {
        auto& self = static_cast<waiting_thread&>(c);
        // Under the lock: the thread owns this object and goes on only when it has the lock again.
        std::lock_guard const guard(self.core->waiting_mutex_);
        self.task_done = true;
        self.tell();
    }
    void tell() noexcept {
        if (!told.exchange(true) && linked)
            core->clock_.waiting.fetch_sub(1);
        if (core->loop_ != nullptr)
            core->loop_->wake();
        changed.notify_one();
    }

    // All three under waiting_mutex_. A thread that was told already is not counted as waiting: virtual time would go on though its task is done.
    void link() noexcept {
        next = std::exchange(core->waiting_, this);
        linked = true;
        if (!told.load())
            core->clock_.waiting.fetch_add(1);
    }
    void unlink() noexcept {
        waiting_thread** place = &core->waiting_;
        while (*place != this)
            place = &(*place)->next;
        *place = next;
        linked = false;
        if (!told.load())
            core->clock_.waiting.fetch_sub(1);
    }

    runtime_core* core;
    bool wants_end_of_run;
    bool for_a_task = true;
    waiting_thread* next = nullptr;
    bool linked = false;
    bool task_done = false;
    std::exception_ptr end_of_run;
    bool by_fatal_error = false; // then it counts even if the task is done meanwhile
    std::atomic<bool> told{false}; // one of the two
    std::condition_variable changed;
};

} // namespace aya::inline v1::detail
