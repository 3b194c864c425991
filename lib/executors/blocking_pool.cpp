// SPDX-License-Identifier: Apache-2.0
#include "executors/blocking_pool.hpp"

#include "executors/thread_setup.hpp"

#include <thread>

namespace aya::inline v1::detail {

blocking_pool::blocking_pool(std::size_t max_threads, duration idle_time, thread_setup const* setup)
    : max_threads_(max_threads), idle_time_(idle_time), setup_(setup) {}

blocking_pool::~blocking_pool() { shut_down(); }

void blocking_pool::shut_down() {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    work_.notify_all();
    thread_ended_.wait(lock, [&] { return threads_ == 0; });
}

void blocking_pool::submit(ready& r) noexcept {
    char const* refused = nullptr;
    {
        std::lock_guard const guard(mutex_);
        // Every idle thread will take one; work beyond those needs a new thread.
        if (stopping_) {
            refused = "the blocking pool is shut down";
        } else if (queued_ >= idle_ && threads_ < max_threads_) {
            try {
                std::thread([this, n = started_] {
                    if (setup_ != nullptr)
                        setup_->blocking_thread_starts(n);
                    else
                        thread_setup::name_blocking_thread("aya", n);
                    run_thread();
                }).detach(); // shut_down() waits for thread_ended_
                ++started_;
                ++threads_;
            } catch (...) { // no thread, or no memory to start one: those that run will get to it
                if (threads_ == 0)
                    refused = "no thread could be started for the blocking pool";
            }
        }
        if (refused == nullptr) {
            r.next = nullptr;
            (first_ == nullptr ? first_ : last_->next) = &r;
            last_ = &r;
            ++queued_;
            if (idle_ != 0)
                work_.notify_one();
        }
    }
    if (refused != nullptr)
        refuse(r, refused);
}

void blocking_pool::run_thread() noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
        while (first_ != nullptr) {
            ready& r = *first_;
            first_ = r.next;
            --queued_;
            lock.unlock();
            r.run(r);
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

} // namespace aya::inline v1::detail
