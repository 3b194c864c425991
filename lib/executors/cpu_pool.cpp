// SPDX-License-Identifier: Apache-2.0
#include "executors/cpu_pool.hpp"

#include "executors/fork_guard.hpp"
#include "executors/thread_setup.hpp"
#include "platform/hand_over.hpp"
#include "platform/needed_library.hpp"

#include <aya/errors.hpp>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <thread>
#include <utility>

namespace aya::inline v1::detail {

namespace {

constinit std::atomic<std::size_t> jobs_of_all{0};    // what the pools of the process have pending
constinit std::atomic<std::size_t> threads_of_all{0}; // of oneTBB's, that have come by

struct counted_thread {
    counted_thread() noexcept { threads_of_all.fetch_add(1); }
    ~counted_thread() { threads_of_all.fetch_sub(1); }
    counted_thread(counted_thread const&) = delete;
    counted_thread& operator=(counted_thread const&) = delete;
};

/// Meets each of oneTBB's threads when it comes by, whether there is a job left for it or not. They inherit the one CPU of the pinned worker that happens
/// to start them.
class reception final : public tbb::task_scheduler_observer {
public:
    reception(tbb::task_arena& a, thread_setup const* setup) : task_scheduler_observer(a), setup_(setup) {
        // Pairs with the acquire in on_scheduler_entry(): what the thread reads through setup_ is there. How observe() hands this
        // object over is oneTBB's own affair, and ThreadSanitizer does not see it.
        entries_.store(0, std::memory_order_release);
        observe(true);
    }
    ~reception() override {
        observe(false); // waits for the calls in flight
        // Acquire: every entry has left its release here, and a read-modify-write sees the last of them.
        entries_.fetch_add(0, std::memory_order_acq_rel);
    }

private:
    void on_scheduler_entry(bool) override {
        static_cast<void>(entries_.load(std::memory_order_acquire)); // the constructor's store
        thread_local counted_thread const here;
        static_cast<void>(here);
        if (setup_ != nullptr && setup_->pins())
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
    struct share {
        explicit share(std::size_t t) : threads(t) { limit().add(threads); }
        ~share() { limit().remove(threads); }
        share(share const&) = delete;
        share& operator=(share const&) = delete;
        std::size_t const threads;
    };

    arena(std::size_t threads, cpu_priority priority, thread_setup const* setup)
        : allowed(threads), inner(static_cast<int>(threads), 0, of(priority)), observer(inner, setup) {}

    share allowed; // before oneTBB makes the arena
    tbb::task_arena inner;
    reception observer;
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
        if (!refused) {
            jobs_of_all.fetch_add(2);
            pending_ += 2; // the job, and this call: the job may be over, and the runtime at its end, before enqueue() returns
        }
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

std::size_t cpu_pool::idle_threads() noexcept {
    std::size_t const threads = threads_of_all.load();
    return threads == 0 || jobs_of_all.load() != 0 || others_need("libtbb.so") ? 0 : threads;
}

void cpu_pool::call_roll() noexcept {
    struct roll {
        std::atomic<std::size_t> missing;
        std::chrono::steady_clock::time_point const end = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
    };
    try {
        auto const all = std::make_shared<roll>(threads_);
        for (std::size_t i = 0; i < threads_; ++i) {
            {
                std::lock_guard const guard(mutex_);
                if (stopping_)
                    return;
                jobs_of_all.fetch_add(1);
                ++pending_;
            }
            begin_hand_over(all.get());
            try {
                arena_->inner.enqueue([this, all] {
                    accept_hand_over(all.get());
                    all->missing.fetch_sub(1);
                    while (all->missing.load() != 0 && std::chrono::steady_clock::now() < all->end)
                        std::this_thread::yield(); // or one thread would answer for several
                    leave();
                });
            } catch (...) {
                leave();
                throw;
            }
        }
    } catch (...) {
        // No memory: some stay unknown.
    }
}

void cpu_pool::forget_threads() noexcept { threads_of_all.store(0); }

void cpu_pool::leave() noexcept {
    jobs_of_all.fetch_sub(1);
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
