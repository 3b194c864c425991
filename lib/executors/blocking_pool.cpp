// SPDX-License-Identifier: Apache-2.0
#include "executors/blocking_pool.hpp"

#include "executors/thread_setup.hpp"

#include <aya/detail/balance.hpp>

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

namespace aya::inline v1::detail {

blocking_pool::blocking_pool(std::size_t max_threads, duration idle_time, thread_setup const* setup)
    : max_threads_(max_threads), idle_time_(idle_time), setup_(setup) {}

blocking_pool::~blocking_pool() { shut_down(); }

void blocking_pool::shut_down() {
    std::unique_lock lock(lock_);
    stopping_ = true;
    while (idle_ != nullptr)
        std::exchange(idle_, idle_->next)->sleep.unpark();
    thread_ended_.wait(lock, [&] { return threads_ == 0; });
    lock.unlock();
    // A job may be over, and the pool's owner here, before the submit() that handed it over has returned.
    for (unsigned round = 0; submitting_.load() != 0; ++round)
        relax(round);
}

void blocking_pool::submit(ready& r) noexcept {
    submitting_.fetch_add(1);
    char const* const refused = accept(r);
    submitting_.fetch_sub(1);
    if (refused != nullptr)
        refuse(r, refused);
}

// Why not, if not.
char const* blocking_pool::accept(ready& r) noexcept {
    idle_thread* woken = nullptr;
    std::size_t number = 0;
    bool more_threads = false;
    idle_thread* place = nullptr;
    {
        spin_guard const guard(lock_);
        if (stopping_)
            return "the blocking pool is shut down";
        if (idle_ != nullptr) {
            woken = std::exchange(idle_, idle_->next);
            woken->given = &r;
        } else {
            r.next = nullptr;
            (first_ == nullptr ? first_ : last_->next) = &r;
            last_ = &r;
            ++queued_;
            if (threads_ < max_threads_) {
                more_threads = true;
                ++threads_;
                number = started_++;
                place = spare_;
                if (place != nullptr)
                    spare_ = place->next;
            }
        }
    }
    if (woken != nullptr)
        woken->sleep.unpark();
    else if (more_threads)
        start_thread(number, place);
    return nullptr;
}

void blocking_pool::start_thread(std::size_t number, idle_thread* place) noexcept {
    try {
        if (place == nullptr) {
            spin_guard const guard(lock_);
            place = &places_.emplace_back();
        }
        std::thread([this, number, place] {
            if (setup_ != nullptr)
                setup_->blocking_thread_starts(number);
            else
                thread_setup::name_blocking_thread("aya", number);
            run_thread(*place);
        }).detach(); // shut_down() waits for thread_ended_
        return;
    } catch (...) {
        // No thread, or no memory to start one: those that run will get to what is queued.
    }
    ready* stranded = nullptr;
    {
        spin_guard const guard(lock_);
        if (place != nullptr)
            place->next = std::exchange(spare_, place);
        if (--threads_ == 0) {
            stranded = std::exchange(first_, nullptr);
            queued_ = 0;
            thread_ended_.notify_all();
        }
    }
    while (stranded != nullptr)
        refuse(*std::exchange(stranded, stranded->next), "no thread could be started for the blocking pool");
}

ready* blocking_pool::take_queued() noexcept {
    if (first_ == nullptr)
        return nullptr;
    --queued_;
    return std::exchange(first_, first_->next);
}

void blocking_pool::run_thread(idle_thread& me) noexcept {
    counted_scope const here(counted::threads);
    std::unique_lock lock(lock_);
    for (;;) {
        while (ready* const r = take_queued()) {
            lock.unlock();
            r->run(*r);
            lock.lock();
        }
        if (stopping_)
            break;
        me.given = nullptr;
        me.next = std::exchange(idle_, &me);
        lock.unlock();
        bool const woken = wait_for_work(me);
        if (woken && me.given != nullptr)
            me.given->run(*me.given);
        lock.lock();
        if (!woken && first_ == nullptr) // what has come since it left the list may have found as many threads as there may be
            break;
    }
    me.next = std::exchange(spare_, &me);
    --threads_;
    // Under the lock: once it is released, the pool may be gone.
    thread_ended_.notify_all();
}

// True when the thread was woken, with work or at the pool's end; false when it has idled for long enough, and is on the list no more.
bool blocking_pool::wait_for_work(idle_thread& me) noexcept {
    time_point const now = std::chrono::steady_clock::now();
    time_point const deadline = idle_time_ < time_point::max() - now ? now + idle_time_ : time_point::max();
    // One thread at a time: for work that comes one call after the other, it saves both sides the system calls.
    if (!looking_.exchange(true)) {
        if (patience_.willing())
            (void)patience_.look(deadline, [&] { return me.sleep.unparked(); });
        looking_.store(false);
    }
    if (me.sleep.park(deadline))
        return true;
    {
        spin_guard const guard(lock_);
        for (idle_thread** at = &idle_; *at != nullptr; at = &(*at)->next)
            if (*at == &me) {
                *at = me.next;
                return false;
            }
    }
    // Somebody has taken it off the list just now, and is about to unpark it.
    while (!me.sleep.park(time_point::max())) {
    }
    return true;
}

std::size_t blocking_pool::thread_count() {
    spin_guard const guard(lock_);
    return threads_;
}

std::size_t blocking_pool::idle_threads() noexcept {
    spin_guard const guard(lock_);
    std::size_t idle = 0;
    for (idle_thread const* t = idle_; t != nullptr; t = t->next)
        ++idle;
    return idle;
}

void blocking_pool::read_metrics(runtime_metrics& m) {
    spin_guard const guard(lock_);
    m.blocking_threads = threads_;
    m.blocking_queued = queued_;
}

} // namespace aya::inline v1::detail
