// SPDX-License-Identifier: Apache-2.0
// The rules are asyncio's: a request goes first to what the task awaits; only where that is over already, or
// the task runs, is the request kept in the task itself, for its next suspension.
#include "task/cancel_walk.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <utility>

namespace aya::inline v1::detail {

bool cancel_walk::make_room(std::size_t tasks) noexcept {
    try {
        if (steps_.capacity() - steps_.size() < tasks)
            steps_.reserve(std::max(2 * steps_.capacity(), steps_.size() + tasks));
        if (path_.capacity() < depth_)
            path_.reserve(2 * depth_);
        if (keeps_ && kept_.capacity() - kept_.size() < tasks)
            kept_.reserve(std::max(2 * kept_.capacity(), kept_.size() + tasks));
        return true;
    } catch (std::bad_alloc const&) {
        return false;
    }
}

void cancel_walk::forward(task_state& target, task_state* waiting) noexcept {
    steps_.push_back({state_reference::share(target),
                      waiting == nullptr ? state_reference() : state_reference::share(*waiting), depth_ + 1});
    if (keeps_)
        kept_.push_back(state_reference::share(target)); // make_room() has kept a place
}

// False if `t` is done.
bool cancel_walk::request(task_state& t, bool count) {
    std::uint64_t word = t.lock();
    if (task_state::phase_of(word) == task_state::phase::done) {
        t.unlock(word);
        return false;
    }
    if ((word & task_state::future_bit) != 0) {
        t.unlock(word);
        return t.complete_cancelled(message_);
    }
    if (count)
        word += task_state::one_request;
    if (task_state::phase_of(word) == task_state::phase::active) {
        t.set_cancel_message(message_);
        if (!for_scope_)
            word &= ~task_state::scope_only_bit;
        else if ((word & task_state::must_cancel_bit) == 0)
            word |= task_state::scope_only_bit;
        t.unlock(word | task_state::must_cancel_bit);
        return true;
    }
    ask_suspension(t, word);
    return true;
}

// With the lock of the waiting task held; releases it.
void cancel_walk::ask_suspension(task_state& t, std::uint64_t word) {
    switch (t.suspension_->request_cancel(*this)) {
    case suspension::verdict::claimed:
        t.set_cancel_message(message_);
        t.unlock(word | task_state::cancel_claimed_bit);
        // The claim is ours, so nobody else can resume the task: it is alive until wake() has queued it.
        t.wake();
        break;
    case suspension::verdict::too_late:
        // A second request before the task resumed: the first one's message is the one delivered.
        if ((word & task_state::cancel_claimed_bit) == 0)
            t.set_cancel_message(message_);
        t.unlock((word & ~task_state::scope_only_bit) | task_state::must_cancel_bit);
        break;
    case suspension::verdict::forwarded:
        // Only the first task; what it awaits may end without having seen the request, and must be told apart from a task that has.
        t.unlock(std::exchange(delivers_, false) ? word | task_state::in_transit_bit : word);
        break;
    }
}

void cancel_walk::deliver(task_state& t, suspension& s) {
    std::uint64_t const word = t.lock();
    // If the task was resumed meanwhile, it has found the pending request there, and it is gone.
    if (task_state::phase_of(word) != task_state::phase::waiting || t.suspension_ != &s ||
        (word & task_state::must_cancel_bit) == 0) {
        t.unlock(word);
        return;
    }
    std::string const message = t.cancel_message();
    message_ = message;
    delivers_ = true;
    keeps_ = true;
    ask_suspension(t, word & ~task_state::pending_bits);
    bool const in_transit = !std::exchange(delivers_, false);
    visit_forwarded();
    message_ = {};
    if (in_transit) // it has arrived somewhere, or ask_again() has left it here
        t.unlock(t.lock() & ~task_state::in_transit_bit);
}

bool cancel_walk::run(task_state& t) {
    if (!request(t, true))
        return false;
    for_scope_ = false;
    visit_forwarded();
    if (!too_late_)
        return true;
    (void)t.uncancel(); // nobody will find it
    return false;
}

bool cancel_walk::closes_circle(task_state& t, std::size_t depth) noexcept {
    if (depth <= checkpoint_depth_) // the checkpoint is on another branch
        checkpoint_ = nullptr;
    bool const circle = &t == checkpoint_;
    if (depth >= first_checkpoint && (depth & (depth - 1)) == 0) {
        checkpoint_ = &t;
        checkpoint_depth_ = depth;
    }
    return circle;
}

void cancel_walk::visit_forwarded() {
    // What one request forwards to is visited first to last, and depth first, as asyncio's recursion does.
    std::size_t reversed_from = 0;
    while (!steps_.empty()) {
        std::reverse(steps_.begin() + static_cast<std::ptrdiff_t>(reversed_from), steps_.end());
        step s = std::move(steps_.back());
        steps_.pop_back();
        reversed_from = steps_.size();
        depth_ = s.depth;
        path_.erase(path_.begin() + static_cast<std::ptrdiff_t>(depth_ - 1), path_.end());
        in_circle_ = closes_circle(*s.target, s.depth);
        if (!request(*s.target, true))
            ask_again(std::move(s.waiting));
        else if (steps_.size() != reversed_from)
            path_.push_back(std::move(s.waiting)); // make_room() has kept a place
    }
}

// A target that ended since it was put on the walk has woken the task that waited for it, or is about to: that one is asked again, so that
// the request is not lost. If it has ended too, the one that waited for that, and so on, up to the first task: then the request has come too
// late. They were counted the first time.
void cancel_walk::ask_again(state_reference waiting) {
    for (;;) {
        --depth_;
        if (!waiting || request(*waiting, false))
            return;
        if (path_.empty()) {
            too_late_ = true;
            return;
        }
        waiting = std::move(path_.back());
        path_.pop_back();
    }
}

} // namespace aya::inline v1::detail
