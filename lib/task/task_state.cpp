// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/task_state.hpp>

#include "executors/runtime_core.hpp"
#include "task/cancel_walk.hpp"
#include "task/details.hpp"
#include "task/registry.hpp"

#include <aya/detail/scheduler.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/errors.hpp>

#include <fmt/format.h>

#include <atomic>
#include <utility>

namespace aya::detail {

namespace {

// Ids are handed to threads in blocks, so that spawning does not meet on one counter.
std::uint64_t next_id() noexcept {
    static std::atomic<std::uint64_t> next_block{1};
    constexpr std::uint64_t block = 1024;
    thread_local std::uint64_t next = 0;
    thread_local std::uint64_t end = 0;
    if (next == end) {
        next = next_block.fetch_add(block, std::memory_order_relaxed); // only uniqueness is needed
        end = next + block;
    }
    return next++;
}

} // namespace

task_state::task_state(scheduler& home, std::coroutine_handle<> frame, visibility v)
    : ready(&run_first), registered_(v == visibility::registered), resume_point_(frame), scheduler_(&home),
      id_(next_id()) {
    if (registered_)
        home.registry().add(*this);
}

void task_state::ensure_registered() noexcept {
    std::uint64_t const word = lock();
    if (phase_of(word) != phase::done && !registered_) {
        registered_ = true;
        scheduler_->registry().add(*this);
    }
    unlock(word);
}

task_state::~task_state() { delete details_; }

void task_state::release() noexcept {
    // Release: what this holder did to the task happens before its end. Acquire: the last one sees what all others did.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) != 1)
        return;
    if (ending_ == ending::failed && !retrieved_.load(std::memory_order_relaxed)) // ordered by the decrement above
        report_unretrieved();
    delete this;
}

void task_state::report_unretrieved() noexcept {
    if (details_ == nullptr || details_->reports == nullptr)
        return;
    try {
        details_->reports->report({"Task exception was never retrieved", name(), error_});
    } catch (std::bad_alloc const&) {
        // No memory for the name; nothing is left to tell with.
    }
}

// --- the word ---------------------------------------------------------------------------------------------------------

std::uint64_t task_state::lock() noexcept {
    // Relaxed: only the first guess of the exchange below.
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (unsigned round = 0;; ++round) {
        if ((word & locked_bit) != 0) {
            relax(round);
            word = word_.load(std::memory_order_relaxed);
            continue;
        }
        // Acquire: pairs with unlock(), and with begin_wait's release, which publishes suspension_ and resume_point_.
        if (word_.compare_exchange_weak(word, word | locked_bit, std::memory_order_acquire, std::memory_order_relaxed))
            return word;
    }
}

void task_state::unlock(std::uint64_t word) noexcept {
    // Release: pairs with the acquire in lock(), end_wait() and done(). Nobody changes the word while it is locked, so a store will do.
    word_.store(word, std::memory_order_release);
}

bool task_state::begin_wait(suspension& s, std::coroutine_handle<> resume_point) noexcept {
    resume_point_ = resume_point;
    suspension_ = &s;
    std::uint64_t word = word_.load(std::memory_order_relaxed); // first guess
    for (unsigned round = 0;; ++round) {
        if ((word & locked_bit) != 0) {
            // Whoever holds it saw an active task, so it wants no source's lock: it will let go while we hold ours.
            relax(round);
            word = word_.load(std::memory_order_relaxed);
            continue;
        }
        // Release: a canceller that sees `waiting` sees suspension_.
        if (word_.compare_exchange_weak(word, word | static_cast<std::uint64_t>(phase::waiting),
                                        std::memory_order_release, std::memory_order_relaxed))
            break;
    }
    bool const pending = (word & must_cancel_bit) != 0;
    if (pending) [[unlikely]]
        add_reference(); // for deliver_pending(): the task may be resumed, and end, before that
    return pending;
}

void task_state::deliver_pending(suspension& s) noexcept {
    cancel_walk({}).deliver(*this, s);
    release();
}

bool task_state::end_wait() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed); // first guess
    for (unsigned round = 0;; ++round) {
        if ((word & locked_bit) != 0) {
            // A canceller is looking at the suspension, which is about to go away: wait for it.
            relax(round);
            word = word_.load(std::memory_order_relaxed);
            continue;
        }
        std::uint64_t const changed =
            word & ~(static_cast<std::uint64_t>(phase::waiting) | must_cancel_bit | cancel_claimed_bit);
        // Acquire: pairs with the canceller's unlock(); its last look at the suspension is over.
        if (word_.compare_exchange_weak(word, changed, std::memory_order_acq_rel, std::memory_order_relaxed))
            return (word & must_cancel_bit) != 0;
    }
}

bool task_state::take_pending_cancel() noexcept {
    // Relaxed: a request that is not visible yet is found at the next suspension.
    if ((word_.load(std::memory_order_relaxed) & must_cancel_bit) == 0) [[likely]]
        return false;
    std::uint64_t const word = lock();
    unlock(word & ~must_cancel_bit);
    return (word & must_cancel_bit) != 0;
}

bool task_state::cancel_pending() const noexcept {
    return (word_.load(std::memory_order_acquire) & must_cancel_bit) != 0; // a snapshot
}

// --- cancellation -------------------------------------------------------------------------------------------------------

bool task_state::cancel(std::string_view message) {
    mark_retrieved();
    return cancel_walk(message).run(*this);
}

std::uint32_t task_state::uncancel() noexcept {
    std::uint64_t word = lock();
    if (word >= one_request)
        word -= one_request;
    if (word < one_request)
        word &= ~must_cancel_bit;
    unlock(word);
    return static_cast<std::uint32_t>(word >> 32);
}

std::uint32_t task_state::cancelling() const noexcept {
    return static_cast<std::uint32_t>(word_.load(std::memory_order_acquire) >> 32); // a snapshot
}

task_state::details& task_state::writable_details() {
    if (details_ == nullptr)
        details_ = new details;
    return *details_;
}

void task_state::set_cancel_message(std::string_view message) noexcept {
    if (details_ == nullptr && message.empty())
        return;
    try {
        writable_details().cancel_message = message;
    } catch (std::bad_alloc const&) {
        // The request counts, its text does not.
    }
}

std::string task_state::cancel_message() const {
    return details_ == nullptr ? std::string() : details_->cancel_message;
}

std::string task_state::take_cancel_message() {
    std::string message;
    std::uint64_t const word = lock();
    if (details_ != nullptr)
        message.swap(details_->cancel_message);
    unlock(word);
    return message;
}

void task_state::throw_cancelled() { throw cancelled_error(take_cancel_message()); }

// --- name ---------------------------------------------------------------------------------------------------------------

std::string task_state::name() const {
    auto& self = const_cast<task_state&>(*this); // the lock bit is the only thing that changes
    std::string result;
    std::uint64_t const word = self.lock();
    if (details_ != nullptr)
        result = details_->name;
    self.unlock(word);
    return result.empty() ? fmt::format("Task-{}", id_) : result;
}

void task_state::set_name(std::string_view name) {
    std::string copy(name);
    std::uint64_t const word = lock();
    try {
        writable_details().name.swap(copy);
    } catch (...) {
        unlock(word);
        throw;
    }
    unlock(word);
}

void task_state::name_if_possible(std::string_view name) noexcept {
    if (name.empty())
        return;
    try {
        set_name(name);
    } catch (std::bad_alloc const&) {
    }
}

// --- completions ----------------------------------------------------------------------------------------------------------

void task_state::link(completion& c) noexcept {
    if (completions_ == nullptr) {
        c.next = c.previous = &c;
        completions_ = &c;
        return;
    }
    c.next = completions_;
    c.previous = completions_->previous;
    c.previous->next = &c;
    completions_->previous = &c;
}

void task_state::unlink(completion& c) noexcept {
    if (c.next == &c) {
        completions_ = nullptr;
    } else {
        c.next->previous = c.previous;
        c.previous->next = c.next;
        if (completions_ == &c)
            completions_ = c.next;
    }
    c.next = c.previous = nullptr;
}

bool task_state::add_completion(completion& c) noexcept {
    std::uint64_t const word = lock();
    bool const open = phase_of(word) != phase::done;
    if (open)
        link(c);
    unlock(word);
    return open;
}

bool task_state::remove_completion(completion& c) noexcept {
    std::uint64_t const word = lock();
    bool const linked = c.next != nullptr;
    if (linked)
        unlink(c);
    unlock(word);
    return linked;
}

bool task_state::join_from(task_state& waiter, completion& c, suspension& s,
                           std::coroutine_handle<> resume_point) noexcept {
    std::uint64_t const word = lock();
    if (phase_of(word) == phase::done) {
        unlock(word);
        return false;
    }
    link(c);
    bool const pending = waiter.begin_wait(s, resume_point);
    unlock(word);
    if (pending) [[unlikely]]
        waiter.deliver_pending(s);
    return true;
}

// --- running --------------------------------------------------------------------------------------------------------------

void task_state::resume(task_state& t) noexcept {
    thread_context* const context = this_thread();
    context->current = &t;
    t.resume_point_.resume();
    // In trampoline builds each coroutine leaves its successor here. `t` may be gone by now.
    while (context->transfer) {
        std::coroutine_handle<> const next = std::exchange(context->transfer, nullptr);
        next.resume();
    }
    context->current = nullptr;
}

void task_state::run_again(ready& r) noexcept { resume(static_cast<task_state&>(r)); }

void task_state::run_first(ready& r) noexcept {
    auto& t = static_cast<task_state&>(r);
    t.run = &run_again;
    if (t.take_pending_cancel()) [[unlikely]] {
        t.resume_point_.destroy();
        t.error_ = std::make_exception_ptr(cancelled_error(t.take_cancel_message()));
        t.finish(ending::cancelled);
        return;
    }
    resume(t);
}

void task_state::wake() noexcept { scheduler_->schedule(*this); }

void task_state::finish(ending how) noexcept {
    std::uint64_t word = lock();
    if (registered_)
        scheduler_->registry().remove(*this);
    if (how == ending::returned && (word & must_cancel_bit) != 0) {
        // Asked to stop after its last suspension: the result is dropped, as asyncio does it.
        how = ending::cancelled;
        error_ = std::make_exception_ptr(
            cancelled_error(details_ == nullptr ? std::string() : std::move(details_->cancel_message)));
    }
    ending_ = how;
    if (how == ending::failed) {
        // The report, if there has to be one, may come after the runtime is gone.
        try {
            writable_details().reports = scheduler_->owner().reports();
        } catch (std::bad_alloc const&) {
        }
    }
    word = (word & ~(phase_mask | must_cancel_bit)) | static_cast<std::uint64_t>(phase::done);
    // One at a time, unlocked for each call: a notified awaiter may go away, and others may be removed meanwhile.
    while (completions_ != nullptr) {
        completion& c = *completions_;
        unlink(c);
        unlock(word);
        c.notify(c, *this);
        word = lock();
    }
    unlock(word);
    release();
}

} // namespace aya::detail
