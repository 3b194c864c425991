// SPDX-License-Identifier: Apache-2.0
// Waiting for another task's end.
#pragma once

#include <aya/detail/promise.hpp>
#include <aya/detail/task_state.hpp>

#include <atomic>
#include <coroutine>
#include <source_location>
#include <utility>

namespace aya::inline v1::detail {

/// Suspends the running task until `target` is done. Cancelling the waiting task cancels `target`, unless `shielded`.
class join_awaiter : public suspension, public completion {
public:
    explicit join_awaiter(state_reference target, bool shielded = false) noexcept
        : completion(&notified), target_(target.get()), kept_(std::move(target)), shielded_(shielded) {}
    /// For a target that somebody keeps until the end of the await expression, unless it suspends: who is done already costs no count.
    explicit join_awaiter(task_state& target) noexcept
        : completion(&notified), target_(&target), kept_(target.done() ? state_reference() : state_reference::share(target)),
          shielded_(false) {}

    bool await_ready() const noexcept { return target_->done(); }

    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        return suspend(*h.promise().task, h);
    }

protected:
    /// First in await_resume: throws cancelled_error if the waiting task was cancelled instead of woken.
    void finish_wait() {
        if (waiter_ != nullptr)
            finish_suspended_wait();
    }
    [[nodiscard]] task_state& target() const noexcept { return *target_; }

private:
    static void notified(completion& c, task_state&) noexcept;
    verdict request_cancel(cancel_walk& walk) noexcept final;
    void describe(wait_description& d) const noexcept final;
    bool suspend(task_state& waiter, std::coroutine_handle<> h);
    void finish_suspended_wait();

    // Who ends the wait. A canceller holds the waiting task's lock, so it must not take the target's: it only claims, and the
    // waiting task withdraws from the target when it resumes. `canceller_seen`: the target has notified all the same, and is out.
    enum class claim : unsigned char { none, target, canceller, canceller_seen };

    task_state* target_;
    state_reference kept_;
    task_state* waiter_ = nullptr; // set while suspended
    std::atomic<claim> claim_{claim::none};
    bool shielded_;
};

} // namespace aya::inline v1::detail
