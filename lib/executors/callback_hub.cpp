// SPDX-License-Identifier: Apache-2.0
#include "executors/callback_hub.hpp"

#include "executors/runtime_core.hpp"
#include "scheduler/timer_queue.hpp"
#include "task/context.hpp"

#include <aya/errors.hpp>

#include <mutex>
#include <utility>

namespace aya::inline v1::detail {

callback_hub::callback_hub(scheduler& home, std::shared_ptr<report_sink> reports)
    : home_(&home), reports_(std::move(reports)) {}

bool callback_hub::post(callback& c, callback::stage from) noexcept {
    {
        std::lock_guard const hold(mutex_);
        if (!push(c, from))
            return false;
    }
    home_->schedule(c); // the runtime waits for what is unfinished, so it is still there
    return true;
}

// With the lock held.
bool callback_hub::push(callback& c, callback::stage from) noexcept {
    if (closed_ || !c.move(from, callback::stage::queued))
        return false;
    c.add_reference(); // the queue's
    c.add_reference(); // the ticket's
    c.following_ = nullptr;
    *last_ = &c;
    last_ = &c.following_;
    ++unfinished_;
    return true;
}

void callback_hub::serve() noexcept {
    {
        std::lock_guard const hold(mutex_);
        if (busy_) {
            ++owed_;
            return;
        }
        busy_ = true;
    }
    serve_first();
}

void callback_hub::serve_first() noexcept {
    callback* c = nullptr;
    {
        std::lock_guard const hold(mutex_);
        c = first_;
        first_ = c->following_;
        if (first_ == nullptr)
            last_ = &first_;
    }
    auto const keep = shared_from_this(); // `c` may have been the last one to know this hub
    c->execute();
    c->release();
    bool more = false;
    {
        std::lock_guard const hold(mutex_);
        more = owed_ != 0;
        if (more)
            --owed_;
        else
            busy_ = false;
        --unfinished_;
    }
    if (more)
        home_->schedule(pump_); // not at once: others are ready too
}

bool callback_hub::arm(callback& c, time_point deadline) {
    timer_queue& timers = home_->timers();
    bool is_earliest = false;
    {
        std::lock_guard const hold_timers(timers.mutex());
        std::lock_guard const hold(mutex_);
        if (closed_)
            return false;
        is_earliest = timers.arm(c, deadline);
        c.add_reference(); // the timer's
        c.preceding_ = nullptr;
        c.following_ = armed_;
        if (armed_ != nullptr)
            armed_->preceding_ = &c;
        armed_ = &c;
    }
    if (is_earliest) [[unlikely]]
        timers.raise_alarm();
    return true;
}

// With the lock held. False when it is not armed any more: it is being fired, or disarmed.
bool callback_hub::unlink_armed(callback& c) noexcept {
    if (c.preceding_ == nullptr && armed_ != &c)
        return false;
    (c.preceding_ == nullptr ? armed_ : c.preceding_->following_) = c.following_;
    if (c.following_ != nullptr)
        c.following_->preceding_ = c.preceding_;
    c.following_ = c.preceding_ = nullptr;
    return true;
}

void callback_hub::disarm(callback& c) noexcept {
    {
        std::lock_guard const hold(mutex_);
        if (!unlink_armed(c))
            return; // the runtime may be gone, and the timer queue with it
        ++unfinished_; // the runtime's end waits for this
    }
    bool last_use = false;
    {
        std::lock_guard const hold_timers(c.home->mutex());
        last_use = c.home->disarm(c);
    }
    {
        std::lock_guard const hold(mutex_);
        --unfinished_;
    }
    if (last_use)
        c.release(); // the timer's reference, for nobody fires it any more
}

void callback_hub::claim(callback& c) noexcept {
    std::lock_guard const hold(mutex_);
    unlink_armed(c);
    c.due_ = push(c, callback::stage::armed);
}

void callback_hub::expire(callback& c) noexcept {
    if (c.due_)
        home_->schedule(c);
    else if (c.move(callback::stage::armed, callback::stage::cancelled))
        c.drop(); // the hub was closed before
    c.release(); // the timer's; it may have been the last one to know this hub
}

void callback_hub::close() noexcept {
    for (;;) {
        callback* c = nullptr;
        {
            std::lock_guard const hold(mutex_);
            closed_ = true;
            c = armed_;
            if (c == nullptr)
                return;
            c->add_reference();
        }
        if (c->move(callback::stage::armed, callback::stage::cancelled))
            c->drop();
        disarm(*c);
        c->release();
    }
}

bool callback_hub::idle() const noexcept {
    std::lock_guard const hold(mutex_);
    return unfinished_ == 0;
}

void callback_hub::report(std::exception_ptr const& error) noexcept {
    if (is_fatal(error) && home_->owner().end_run(error))
        return;
    reports_->report({"Exception in callback", {}, error});
}

// --- callback -------------------------------------------------------------------------------------------------------------

callback::callback() noexcept
    : ready(&ticket), ordered_timer(&claimed, &expired), completion(&notified), context_(share_current_context()) {}

callback::~callback() {
    if (context_ != nullptr)
        release_context(*context_);
}

void callback::release() noexcept {
    // Release: this holder's last use comes before the end. Acquire: the last one sees all of them.
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete this;
}

bool callback::cancel() noexcept {
    stage const before = stage_.load();
    switch (before) {
    case stage::watching:
        if (stop_watching(*subject_))
            return true;
        return move(stage::queued, stage::cancelled) && (drop(), true); // the task ended meanwhile
    case stage::armed:
        if (!move(stage::armed, stage::cancelled))
            return move(stage::queued, stage::cancelled) && (drop(), true); // it was due meanwhile
        drop();
        hub_->disarm(*this);
        return true;
    case stage::queued:
        if (!move(stage::queued, stage::cancelled))
            return false;
        drop();
        return true;
    default:
        return false;
    }
}

bool callback::stop_watching(task_state const& of) noexcept {
    if (subject_.get() != &of || !move(stage::watching, stage::cancelled))
        return false;
    drop();
    if (subject_->remove_completion(*this))
        release(); // the watch's
    return true;
}

void callback::ticket(ready& r) noexcept {
    auto& c = static_cast<callback&>(r);
    auto const hub = c.hub_;
    hub->serve();
    c.release();
}

void callback::claimed(timer& t) noexcept {
    auto& c = static_cast<callback&>(t);
    c.hub_->claim(c);
}

void callback::expired(timer& t) noexcept {
    auto& c = static_cast<callback&>(t);
    c.hub_->expire(c);
}

void callback::notified(completion& c, task_state&) noexcept {
    auto& self = static_cast<callback&>(c);
    if (!self.hub_->post(self, stage::watching) && self.move(stage::watching, stage::cancelled))
        self.drop(); // the runtime is gone
    self.release(); // the watch's
}

void callback::execute() noexcept {
    if (!move(stage::queued, stage::running))
        return;
    thread_context_scope const values(std::exchange(context_, nullptr));
    try {
        call(subject_.get());
    } catch (...) {
        hub_->report(std::current_exception());
    }
    drop();
    stage_.store(stage::called);
}

// --- what the templates call ------------------------------------------------------------------------------------------------

void post_callback(scheduler& home, callback& c) {
    c.hub_ = home.owner().callbacks();
    if (!c.hub_->post(c, callback::stage::queued))
        throw_invalid_state("aya::call_soon: the runtime has shut down");
}

void arm_callback(scheduler& home, callback& c, time_point deadline) {
    c.hub_ = home.owner().callbacks();
    c.when_ = deadline;
    c.stage_.store(callback::stage::armed);
    if (!c.hub_->arm(c, deadline))
        throw_invalid_state("aya::call_at: the runtime has shut down");
}

void watch_callback(task_state& of, callback& c) {
    c.hub_ = of.callbacks();
    c.subject_ = state_reference::share(of);
    c.stage_.store(callback::stage::watching);
    c.add_reference(); // the watch's
    if (!of.add_late_completion(c))
        callback::notified(c, of);
}

} // namespace aya::inline v1::detail
