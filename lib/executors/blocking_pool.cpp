// SPDX-License-Identifier: Apache-2.0
#include "executors/blocking_pool.hpp"

#include "executors/clock_source.hpp"

#include <aya/errors.hpp>

#include <fmt/format.h>

#include <system_error>
#include <thread>

#include <pthread.h>

namespace aya::detail {

blocking_pool::blocking_pool(std::size_t max_threads, clock_source& clock, duration idle_time)
    : max_threads_(max_threads), idle_time_(idle_time), clock_(clock) {}

blocking_pool::~blocking_pool() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    work_.notify_all();
    thread_ended_.wait(lock, [&] { return threads_ == 0; });
}

void blocking_pool::submit(offload_job& job) noexcept {
    clock_.outside.fetch_add(1);
    std::exception_ptr refused;
    {
        std::lock_guard const guard(mutex_);
        // Every idle thread will take one job; a job beyond those needs a new thread.
        if (stopping_) {
            refused = std::make_exception_ptr(broken_executor("aya::to_thread: the blocking pool is shut down"));
        } else if (queued_ >= idle_ && threads_ < max_threads_) {
            try {
                std::thread([this, n = started_] {
                    pthread_setname_np(pthread_self(), fmt::format("aya-block-{}", n).c_str());
                    run_thread();
                }).detach(); // the destructor waits for thread_ended_
                ++started_;
                ++threads_;
            } catch (std::system_error const&) {
                if (threads_ == 0)
                    refused = std::make_exception_ptr(
                        broken_executor("aya::to_thread: no thread could be started for the blocking pool"));
            }
        }
        if (!refused) {
            job.next = nullptr;
            (first_ == nullptr ? first_ : last_->next) = &job;
            last_ = &job;
            ++queued_;
            if (idle_ != 0)
                work_.notify_one();
        }
    }
    if (refused) {
        job.refuse(std::move(refused));
        clock_.outside.fetch_sub(1);
    }
}

void blocking_pool::run_thread() noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
        while (first_ != nullptr) {
            offload_job& job = *first_;
            first_ = job.next;
            --queued_;
            lock.unlock();
            job.run();
            clock_.outside.fetch_sub(1); // after the wake-up, so that virtual time sees the task before it sees us idle
            lock.lock();
        }
        if (stopping_)
            break;
        ++idle_;
        bool const woken = work_.wait_for(lock, idle_time_, [&] { return first_ != nullptr || stopping_; });
        --idle_;
        if (!woken)
            break;
    }
    --threads_;
    // Under the lock: once it is released, the pool may be gone.
    thread_ended_.notify_all();
}

std::size_t blocking_pool::thread_count() {
    std::lock_guard const guard(mutex_);
    return threads_;
}

} // namespace aya::detail
