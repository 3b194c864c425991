// SPDX-License-Identifier: Apache-2.0
// The callbacks of one runtime: called one at a time, in the order in which they were queued.
//
// Each callback is queued twice: here, and in the scheduler as a ticket, which keeps its place among the tasks. A ticket that runs takes
// the first callback from here, so with one thread each ticket finds its own; a ticket that comes while a callback runs elsewhere is
// owed, and is made up for once that one has ended. Counted, since a promise may outlive the runtime; it is closed then.
#pragma once

#include "executors/report_sink.hpp"

#include <aya/callback_handle.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/detail/spin_lock.hpp>

#include <cstddef>
#include <memory>

namespace aya::inline v1::detail {

class callback_hub : public std::enable_shared_from_this<callback_hub> {
public:
    callback_hub(scheduler& home, std::shared_ptr<report_sink> reports);

    /// Queues a callback that is in stage `from`. False when it was cancelled, or the hub is closed. Any thread.
    bool post(callback& c, callback::stage from) noexcept;
    /// False when the hub is closed. Throws std::bad_alloc. On a thread of the runtime.
    [[nodiscard]] bool arm(callback& c, time_point deadline);
    void disarm(callback& c) noexcept;
    /// What the timer queue calls: claim() with its lock held, so that callbacks of one queue come in the order of their deadlines though several
    /// threads fire them, then expire().
    void claim(callback& c) noexcept;
    void expire(callback& c) noexcept;

    /// From now on nothing is queued, and what is not due yet never will be. What is queued already still runs.
    void close() noexcept;
    /// Whether all that was queued has run.
    [[nodiscard]] bool idle() const noexcept;

    /// A ticket's turn.
    void serve() noexcept;
    void report(std::exception_ptr const& error) noexcept;

private:
    struct pump_ready final : ready {
        explicit pump_ready(callback_hub& h) noexcept : ready(&turn), hub(&h) {}
        static void turn(ready& r) noexcept { static_cast<pump_ready&>(r).hub->serve_first(); }
        callback_hub* hub;
    };

    void serve_first() noexcept;
    bool push(callback& c, callback::stage from) noexcept;
    bool unlink_armed(callback& c) noexcept;

    scheduler* home_;
    std::shared_ptr<report_sink> reports_;
    pump_ready pump_{*this};
    mutable spin_lock mutex_; // guards all below; taken after a timer queue's
    callback* first_ = nullptr;
    callback** last_ = &first_;
    callback* armed_ = nullptr;
    std::size_t unfinished_ = 0; // queued and not called yet, or under way; or being disarmed
    std::size_t owed_ = 0;       // tickets that came while a callback ran
    bool busy_ = false;          // a callback runs, or the pump is queued
    bool closed_ = false;
};

} // namespace aya::inline v1::detail
