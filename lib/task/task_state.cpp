// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/task_state.hpp>

#include "executors/current_thread.hpp"
#include "executors/runtime_core.hpp"
#include "task/cancel_walk.hpp"
#include "task/context.hpp"
#include "task/details.hpp"
#include "task/registry.hpp"
#include "task/snapshot.hpp"

#include <aya/detail/balance.hpp>
#include <aya/detail/fork.hpp>
#include <aya/detail/promise.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/errors.hpp>

#include <atomic>
#include <functional>
#include <utility>

namespace aya::inline v1::detail {

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
      identity_(next_id() & ((std::uint64_t{1} << id_bits) - 1)), context_(share_current_context()) {
    try {
        if (home.is_elsewhere()) [[unlikely]] {
            keep_home(home);
            run = &run_first_elsewhere;
        }
        if (v == visibility::future)
            (void)writable_details();
    } catch (...) { // no memory, and no destructor will come
        if (context_ != nullptr)
            release_context(*context_);
        delete details_;
        throw;
    }
    if (home.debug()) [[unlikely]]
        note_creation();
    if (registered_)
        home.registry().add(*this);
    if (v == visibility::future) {
        word_.store(future_bit, std::memory_order_relaxed); // nobody else knows it yet
        // Whoever sets it may do so, and drop it, when the runtime is gone.
        writable_details().reports = home.owner().reports();
        writable_details().callbacks = home.owner().callbacks();
    } else {
        count(counted::spawned, 1);
    }
    count(counted::states, 1);
}

state_reference task_state::behind(ready& r) noexcept {
    bool const task = r.run == &run_first || r.run == &run_again || r.run == &run_first_elsewhere || r.run == &run_again_elsewhere;
    return task ? state_reference::share(static_cast<task_state&>(r)) : state_reference();
}

void task_state::ensure_registered() noexcept {
    std::uint64_t const word = lock();
    if (phase_of(word) != phase::done && !registered_ && (word & future_bit) == 0) {
        registered_ = true;
        home().registry().add(*this);
    }
    unlock(word);
}

task_state::~task_state() {
    count(counted::states, -1);
    if (context_ != nullptr) {
        no_longer_current(); // nor for the values' destructors
        release_context(*context_);
    }
    delete details_;
}

void task_state::end_life() noexcept {
    if (error_)
        no_longer_current(); // neither for the report's handler nor for the exception's destructor
    if (ending_ == ending::failed && retrieved_.load(std::memory_order_relaxed) == 0) // ordered by the last decrement
        report_unretrieved();
    delete this;
}

void task_state::no_longer_current() noexcept {
    thread_context* const context = current_thread;
    if (context != nullptr && context->current == task_pointer(*this))
        context->current = {};
}

void task_state::report_unretrieved() noexcept {
    if (details_ == nullptr || details_->reports == nullptr)
        return;
    // The handler runs outside the task that happened to drop the last handle, and with the values of the one that failed.
    thread_context* const thread = current_thread;
    task_pointer const outer = thread == nullptr ? task_pointer() : std::exchange(thread->current, {});
    try {
        thread_context_scope const values(std::exchange(context_, nullptr));
        bool const future = (word_.load(std::memory_order_relaxed) & future_bit) != 0; // never changes
        details_->reports->report({future ? "Future exception was never retrieved" : "Task exception was never retrieved", name(), error_,
                                   created(), task_inspector::failure_stack(*this)});
    } catch (std::bad_alloc const&) {
        // No memory for the name; nothing is left to tell with.
    }
    if (thread != nullptr)
        thread->current = outer;
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
        // Acquire: pairs with unlock(), and with begin_wait's release, which publishes suspension_ and resume_point_. Not release: an
        // exchange, so who reads the locked word still acquires what the last unlock() released.
        if (word_.compare_exchange_weak(word, word | locked_bit, std::memory_order_acquire, std::memory_order_relaxed))
            return word;
    }
}

void task_state::unlock(std::uint64_t word) noexcept {
    // Release: pairs with the acquire in lock(), end_wait() and done(). Nobody changes the word while it is locked, so a store will do.
    word_.store(word, std::memory_order_release);
}

bool task_state::begin_wait(suspension& s, std::coroutine_handle<> resume_point) noexcept {
    // Whoever holds the lock saw an active task, so it wants no source's lock, or is a join_from() that gives way: it will let go
    // while we hold ours.
    return publish_wait(s, resume_point, true) == wait_start::cancel_pending;
}

task_state::wait_start task_state::publish_wait(suspension& s, std::coroutine_handle<> resume_point, bool patient) noexcept {
    resume_point_ = resume_point;
    suspension_ = &s;
    // For deliver_pending(), and taken before the exchange: where the source has no lock, a second request may claim the wait at once, and
    // the task may have ended, and be gone, when this goes on.
    bool kept = false;
    std::uint64_t word = word_.load(std::memory_order_relaxed); // first guess
    for (unsigned round = 0;; ++round) {
        if ((word & locked_bit) != 0) {
            if (!patient) {
                if (kept)
                    release(); // not the last one: the task runs
                return wait_start::busy;
            }
            relax(round);
            word = word_.load(std::memory_order_relaxed);
            continue;
        }
        if ((word & must_cancel_bit) != 0 && !std::exchange(kept, true)) [[unlikely]]
            add_reference();
        // Release: a canceller that sees `waiting` sees suspension_.
        if (word_.compare_exchange_weak(word, word | static_cast<std::uint64_t>(phase::waiting),
                                        std::memory_order_release, std::memory_order_relaxed))
            break;
    }
    if (!kept) [[likely]]
        return wait_start::waiting;
    if ((word & must_cancel_bit) != 0)
        return wait_start::cancel_pending;
    release(); // the request was taken back meanwhile
    return wait_start::waiting;
}

void task_state::deliver_pending(suspension& s) noexcept {
    thread_context* const context = current_thread;
    {
        cancel_walk walk({});
        walk.deliver(*this, s);
        // By now this task may run elsewhere, or be gone; what drops references here may run foreign code.
        if (context != nullptr)
            context->current = {};
    }
    release();
}

bool task_state::end_wait() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed); // first guess
    for (unsigned round = 0;; ++round) {
        if ((word & (locked_bit | in_transit_bit)) != 0) {
            // A canceller is looking at the suspension, which is about to go away; or a request that was pending is carried to what this
            // task has waited for, and may come back. Wait for it.
            relax(round);
            word = word_.load(std::memory_order_relaxed);
            continue;
        }
        std::uint64_t const changed =
            word & ~(static_cast<std::uint64_t>(phase::waiting) | pending_bits | cancel_claimed_bit);
        // Acquire: pairs with the canceller's unlock(); its last look at the suspension is over. Nothing is published here.
        if (word_.compare_exchange_weak(word, changed, std::memory_order_acquire, std::memory_order_relaxed))
            return (word & must_cancel_bit) != 0;
    }
}

bool task_state::take_pending_cancel() noexcept {
    // Relaxed: a request that is not visible yet is found at the next suspension.
    if ((word_.load(std::memory_order_relaxed) & must_cancel_bit) == 0) [[likely]]
        return false;
    std::uint64_t const word = lock();
    unlock(word & ~pending_bits);
    return (word & must_cancel_bit) != 0;
}

void task_state::postpone_cancel() noexcept {
    std::uint64_t const word = lock();
    unlock(word | must_cancel_bit);
}

// --- callbacks ----------------------------------------------------------------------------------------------------------

std::shared_ptr<callback_hub> task_state::callbacks() const {
    if ((word_.load(std::memory_order_relaxed) & future_bit) != 0) // never changes
        return details_->callbacks;
    return home().owner().callbacks();
}

// --- completions ----------------------------------------------------------------------------------------------------------

void task_state::link(completion& c) noexcept {
    count(counted::watchers, 1);
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
    count(counted::watchers, -1);
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

bool task_state::add_late_completion(completion& c) noexcept {
    std::uint64_t const word = lock();
    bool const open = phase_of(word) != phase::done || (word & notifying_bit) != 0;
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
    // Tasks that begin to await each other in a circle, each holding its target's lock, must not wait for each other's: one of a circle
    // has the greater address, and gives way.
    bool const patient = std::less<>()(&waiter, this);
    for (unsigned round = 0;; ++round) {
        std::uint64_t const word = lock();
        if (phase_of(word) == phase::done) {
            unlock(word);
            return false;
        }
        link(c);
        wait_start const begun = waiter.publish_wait(s, resume_point, patient);
        if (begun == wait_start::busy) [[unlikely]] {
            unlink(c);
            unlock(word);
            relax(round);
            continue;
        }
        unlock(word);
        if (begun == wait_start::cancel_pending) [[unlikely]]
            waiter.deliver_pending(s);
        return true;
    }
}

// --- running --------------------------------------------------------------------------------------------------------------

void run_step(thread_context& here, task_pointer task, std::coroutine_handle<> h) noexcept {
    here.current = task;
    h.resume();
    // From here on the task may be gone.
    for (;;) {
        if (here.ended) {
            task_pointer const ended = std::exchange(here.ended, {});
            if (!ended.is_child()) {
                ended->finish(ending::returned);
                break;
            }
            fork_node::child_done(ended.as_child(), here).resume();
        } else if (here.transfer) { // in trampoline builds each coroutine leaves its successor here
            std::exchange(here.transfer, nullptr).resume();
        } else {
            break;
        }
    }
    here.current = {};
}

std::coroutine_handle<> final_awaiter::end_failed(std::coroutine_handle<> self, promise_base& p) noexcept {
    if (p.task.is_child())
        return fork_node::child_failed(p.task.as_child(), self, p.error);
    task_state& t = *p.task;
    ending const how = t.note_error(std::move(p.error));
    self.destroy();
    t.finish(how);
    return std::noop_coroutine();
}

void task_state::run_again(ready& r) noexcept {
    auto& t = static_cast<task_state&>(r);
    run_step(*current_thread, t, t.resume_point_);
}

void task_state::run_first(ready& r) noexcept {
    auto& t = static_cast<task_state&>(r);
    t.run = &run_again;
    t.begin_first_step();
}

// What is rare stands in functions of its own, here and at the end: the others need no stack frame for it.

void task_state::begin_first_step() noexcept {
    if (take_pending_cancel()) [[unlikely]]
        end_unbegun();
    else
        run_step(*current_thread, *this, resume_point_);
}

[[gnu::noinline]] void task_state::end_unbegun() noexcept {
    resume_point_.destroy();
    error_ = std::make_exception_ptr(cancelled_error(take_cancel_message()));
    finish(ending::cancelled);
}

bool task_state::start_eagerly() noexcept {
    constexpr std::uint32_t deepest = 32;
    thread_context* const context = current_thread;
    if (context == nullptr || context->home != &home() || context->eager_depth == deepest)
        return false;
    // The creator's step goes on afterwards, on this thread: nobody else resumes a running task.
    task_pointer const creator = context->current;
    task_pointer const ended = std::exchange(context->ended, {});
    std::coroutine_handle<> const transfer = std::exchange(context->transfer, nullptr);
    ++context->eager_depth;
    run = home().is_elsewhere() ? &run_again_elsewhere : &run_again;
    begin_first_step(); // it may be gone after this, but for the caller's handle
    --context->eager_depth;
    context->current = creator;
    context->transfer = transfer;
    context->ended = ended;
    return true;
}

void task_state::wake() noexcept { home().schedule(*this); }

void task_state::finish(ending how) noexcept {
    bool const delivered = (end_flags_ & fatal) != 0 && home().owner().end_run(error_);
    std::uint64_t word = lock();
    if (registered_)
        home().registry().remove(*this);
    if (how != ending::returned || (word & must_cancel_bit) != 0) [[unlikely]]
        how = end_otherwise(how, word, delivered);
    ending_ = how;
    count(how == ending::returned ? counted::returned : how == ending::failed ? counted::failed : counted::cancelled, 1);
    publish_end(word);
    release();
}

// With the lock held. Gives what the end comes to.
[[gnu::noinline]] ending task_state::end_otherwise(ending how, std::uint64_t word, bool delivered) noexcept {
    if (how == ending::returned && (word & must_cancel_bit) != 0) {
        // Asked to stop after its last suspension: the result is dropped, as asyncio does it.
        how = ending::cancelled;
        error_ = std::make_exception_ptr(
            cancelled_error(details_ == nullptr ? std::string() : std::move(details_->cancel_message)));
    }
    if (registered_)
        home().registry().count_end(how);
    if (how == ending::failed) {
        // Relaxed: published with `done`. A cancel() request has silenced the report (as in asyncio), but not of what comes after it.
        retrieved_.fetch_and(answered_for, std::memory_order_relaxed);
        if (delivered || (end_flags_ & spoken_for) != 0)
            mark_asked();
        // The report, if there has to be one, may come after the runtime is gone.
        try {
            writable_details().reports = home().owner().reports();
        } catch (std::bad_alloc const&) {
        }
    }
    return how;
}

// With the lock held; releases it.
void task_state::publish_end(std::uint64_t word) noexcept {
    word = (word & ~(phase_mask | pending_bits)) | static_cast<std::uint64_t>(phase::done) | notifying_bit;
    // One at a time, unlocked for each call: a notified awaiter may go away, and others may be removed meanwhile.
    while (completions_ != nullptr) {
        completion& c = *completions_;
        unlink(c);
        unlock(word);
        c.notify(c, *this);
        word = lock();
    }
    unlock(word & ~notifying_bit);
}

// --- a future's end -------------------------------------------------------------------------------------------------------

bool task_state::claim_result() noexcept {
    std::uint64_t const word = lock();
    bool const open = phase_of(word) != phase::done && (word & claimed_result_bit) == 0;
    unlock(open ? word | claimed_result_bit : word);
    return open;
}

void task_state::unclaim_result() noexcept { unlock(lock() & ~claimed_result_bit); }

bool task_state::complete(ending how, std::exception_ptr error) noexcept {
    std::uint64_t const word = lock();
    if (phase_of(word) == phase::done) {
        unlock(word);
        return false;
    }
    error_ = std::move(error);
    ending_ = how;
    publish_end(word);
    return true;
}

bool task_state::complete_cancelled(std::string_view message) noexcept {
    cancelled_error why;
    try {
        why = cancelled_error(std::string(message));
    } catch (std::bad_alloc const&) {
        // The request counts, its text does not.
    }
    return complete(ending::cancelled, std::make_exception_ptr(std::move(why)));
}

} // namespace aya::inline v1::detail
