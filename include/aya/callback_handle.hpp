// SPDX-License-Identifier: Apache-2.0
// callback_handle and timer_handle: what call_soon(), call_later() and add_done_callback() give.
#pragma once

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/task_state.hpp>
#include <aya/detail/timer.hpp>
#include <aya/time.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace aya::inline v1 {

namespace detail {

class callback;
class callback_hub;

/// Queues `c`; arms its timer; watches for the end of a task.
void post_callback(scheduler& home, callback& c);
void arm_callback(scheduler& home, callback& c, time_point deadline);
void watch_callback(task_state& of, callback& c);

/// A function that the runtime will call once. It is a ready object (in the scheduler's queue), a timer (until it is due) and a
/// completion (of the task it watches), one after the other. Counted: the user's handles, and one for each place it is in.
class callback : public ready, public ordered_timer, public completion, public frame_allocated {
public:
    enum class stage : std::uint8_t { watching, armed, queued, running, called, cancelled };

    void add_reference() noexcept {
        references_.fetch_add(1, std::memory_order_relaxed); // whoever adds one holds one
    }
    void release() noexcept;

    /// True if the function will not be called, by this call's doing. Any thread.
    bool cancel() noexcept;
    /// The same, but only while the task is not done.
    bool stop_watching(task_state const& of) noexcept;
    [[nodiscard]] bool cancelled() const noexcept { return stage_.load() == stage::cancelled; }
    [[nodiscard]] time_point when() const noexcept { return when_; }

protected:
    callback() noexcept;
    virtual ~callback();

    /// Calls the function; `subject` is the task it watched, if any.
    virtual void call(task_state* subject) = 0;
    /// Destroys the function.
    virtual void drop() noexcept = 0;

private:
    friend callback_hub;
    friend void post_callback(scheduler& home, callback& c);
    friend void arm_callback(scheduler& home, callback& c, time_point deadline);
    friend void watch_callback(task_state& of, callback& c);

    static void ticket(ready& r) noexcept;
    static void claimed(timer& t) noexcept;
    static void expired(timer& t) noexcept;
    static void notified(completion& c, task_state& t) noexcept;
    [[nodiscard]] bool move(stage from, stage to) noexcept { return stage_.compare_exchange_strong(from, to); }
    void execute() noexcept;

    std::atomic<stage> stage_{stage::queued};
    std::atomic<std::uint32_t> references_{1}; // the first handle's
    std::shared_ptr<callback_hub> hub_;
    context_block* context_; // the values it runs with, until it has run
    state_reference subject_;
    time_point when_{};
    callback* following_ = nullptr; // in the hub's queue, or among those it has armed; under its lock
    callback* preceding_ = nullptr;
    bool due_ = false; // its timer has queued it in the hub, and its ticket is to follow; the firing thread's
};

template <class F>
class stored_callback final : public callback {
public:
    explicit stored_callback(F&& f) : function_(std::move(f)) {}

private:
    void call(task_state* subject) override { (*function_)(subject); }
    void drop() noexcept override { function_.reset(); }

    std::optional<F> function_;
};

/// Owns one reference.
class callback_reference {
public:
    callback_reference() = default;
    explicit callback_reference(callback& c) noexcept : callback_(&c) {}
    callback_reference(callback_reference const& other) noexcept : callback_(other.callback_) {
        if (callback_ != nullptr)
            callback_->add_reference();
    }
    callback_reference(callback_reference&& other) noexcept : callback_(std::exchange(other.callback_, nullptr)) {}
    callback_reference& operator=(callback_reference other) noexcept {
        std::swap(callback_, other.callback_);
        return *this;
    }
    ~callback_reference() {
        if (callback_ != nullptr)
            callback_->release();
    }
    [[nodiscard]] callback* get() const noexcept { return callback_; }

private:
    callback* callback_ = nullptr;
};

struct callback_access;

} // namespace detail

/// A call that is to come. Copyable; dropping it changes nothing. Mirrors asyncio.Handle.
/// Thread safety: different copies from any thread at once.
class callback_handle {
public:
    /// Empty: nothing to cancel.
    callback_handle() = default;

    /// True if the call will not be made because of this; the function is destroyed then. False when it was made, is being made,
    /// or was cancelled before.
    bool cancel() const noexcept { return reference_.get() != nullptr && reference_.get()->cancel(); }
    [[nodiscard]] bool cancelled() const noexcept { return reference_.get() != nullptr && reference_.get()->cancelled(); }

protected:
    friend detail::callback_access;
    explicit callback_handle(detail::callback& c) noexcept : reference_(c) {}

    detail::callback_reference reference_;
};

/// The same for a call at a time. Mirrors asyncio.TimerHandle.
class timer_handle : public callback_handle {
public:
    timer_handle() = default;

    /// The time of the call; the clock's beginning for an empty handle.
    [[nodiscard]] time_point when() const noexcept {
        return reference_.get() == nullptr ? time_point() : reference_.get()->when();
    }

private:
    friend detail::callback_access;
    using callback_handle::callback_handle;
};

namespace detail {

struct callback_access {
    template <class Handle>
    static Handle adopt(callback& c) noexcept {
        return Handle(c);
    }
    static callback* get(callback_handle const& h) noexcept { return h.reference_.get(); }
};

/// `F` is called with the task_state*, which most ignore. `place` queues it.
template <class Handle, class F, class Place>
Handle make_callback(F f, Place place) {
    auto* const c = new stored_callback<F>(std::move(f));
    Handle handle = callback_access::adopt<Handle>(*c);
    place(*c);
    return handle;
}

} // namespace detail

} // namespace aya::inline v1
