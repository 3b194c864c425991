// SPDX-License-Identifier: Apache-2.0
#include "executors/cpu_pool.hpp"

#include "executors/fork_guard.hpp"
#include "executors/thread_setup.hpp"
#include "platform/hand_over.hpp"

#include <aya/errors.hpp>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <set>
#include <utility>

namespace aya::inline v1::detail {

namespace {

/// oneTBB's threads inherit the one CPU of the pinned worker that happens to start them.
class unpinning final : public tbb::task_scheduler_observer {
public:
    unpinning(tbb::task_arena& a, thread_setup const* setup) : task_scheduler_observer(a), setup_(setup) {
        if (setup == nullptr || !setup->pins())
            return;
        // Pairs with the acquire in on_scheduler_entry(): what the thread reads through setup_ is there. How observe() hands this
        // object over is oneTBB's own affair, and ThreadSanitizer does not see it.
        entries_.store(0, std::memory_order_release);
        observe(true);
    }
    ~unpinning() override {
        observe(false); // waits for the calls in flight
        // Acquire: every entry has left its release here, and a read-modify-write sees the last of them.
        entries_.fetch_add(0, std::memory_order_acq_rel);
    }

private:
    void on_scheduler_entry(bool) override {
        static_cast<void>(entries_.load(std::memory_order_acquire)); // the constructor's store
        setup_->unpin();
        entries_.fetch_add(1, std::memory_order_release); // the destructor's read: the last touch of this object
    }

    thread_setup const* setup_;
    std::atomic<std::size_t> entries_{0};
};

void require_threads() {
    static std::atomic<std::int64_t> first_user{-1}; // which process
    std::int64_t const here = fork_generation();
    std::int64_t known = -1;
    if (!first_user.compare_exchange_strong(known, here) && known != here)
        throw broken_executor("aya::cpu_pool, to_cpu: such a pool was in use before fork(), and its threads did not come along");
}

// oneTBB limits its threads for the process, by the least that anybody allows: one limit for all pools, as the largest wants it.
class thread_limit {
public:
    void add(std::size_t threads) {
        std::lock_guard const hold(mutex_);
        sizes_.insert(threads);
        update();
    }
    void remove(std::size_t threads) noexcept {
        std::lock_guard const hold(mutex_);
        sizes_.erase(sizes_.find(threads));
        try {
            update();
        } catch (...) {
            // It stays higher than it need be.
        }
    }

private:
    void update() {
        if (sizes_.empty()) {
            control_.reset();
            return;
        }
        // oneTBB counts on the submitting thread's help and would start one thread less; our workers never help.
        std::size_t const wanted = std::max(*sizes_.rbegin(), static_cast<std::size_t>(tbb::info::default_concurrency())) + 1;
        auto fresh = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, wanted);
        control_ = std::move(fresh);
    }

    std::mutex mutex_;
    std::multiset<std::size_t> sizes_;
    std::unique_ptr<tbb::global_control> control_;
};

thread_limit& limit() {
    static thread_limit* const one = new thread_limit; // never destroyed: pools may be, at any time
    return *one;
}

tbb::task_arena::priority of(cpu_priority p) noexcept {
    return p == cpu_priority::low    ? tbb::task_arena::priority::low
           : p == cpu_priority::high ? tbb::task_arena::priority::high
                                     : tbb::task_arena::priority::normal;
}

} // namespace

struct cpu_pool::arena {
    arena(std::size_t threads, cpu_priority priority, thread_setup const* setup)
        : size(threads), inner(static_cast<int>(threads), 0, of(priority)), observer(inner, setup) {
        limit().add(size);
    }
    ~arena() { limit().remove(size); }

    std::size_t size;
    tbb::task_arena inner;
    unpinning observer;
};

cpu_pool::cpu_pool(std::size_t threads, cpu_priority priority, thread_setup const* setup) : threads_(threads) {
    require_threads();
    arena_ = std::make_unique<arena>(threads, priority, setup);
}

cpu_pool::~cpu_pool() { shut_down(); }

void cpu_pool::shut_down() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    all_done_.wait(lock, [&] { return pending_ == 0; });
}

void cpu_pool::submit(ready& r) noexcept {
    bool refused = false;
    {
        std::lock_guard const guard(mutex_);
        refused = stopping_;
        if (!refused)
            pending_ += 2; // the job, and this call: the job may be over, and the runtime at its end, before enqueue() returns
    }
    if (refused) {
        refuse(r, "the CPU pool is shut down");
        return;
    }
    begin_hand_over(&r);
    try {
        arena_->inner.enqueue([&r, this] {
            accept_hand_over(&r);
            r.run(r);
            leave();
        });
    } catch (...) {
        refuse(r, "the CPU pool has no memory for it");
        leave();
    }
    leave();
}

void cpu_pool::leave() noexcept {
    std::lock_guard const guard(mutex_);
    if (--pending_ == 0)
        all_done_.notify_all(); // under the lock: once it is released, the pool may be gone
}

void cpu_pool::read_metrics(runtime_metrics& m) {
    std::lock_guard const guard(mutex_);
    m.cpu_threads = threads_;
    m.cpu_jobs = pending_; // a call of submit() that is under way counts too, for a moment
    m.cpu_queued = m.cpu_jobs > threads_ ? m.cpu_jobs - threads_ : 0; // no thread is idle while anything is queued
}

} // namespace aya::inline v1::detail
