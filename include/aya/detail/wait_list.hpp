// SPDX-License-Identifier: Apache-2.0
// The waiters of a synchronisation primitive, first come, first served, guarded by the primitive's own lock.
#pragma once

#include <aya/detail/promise.hpp>
#include <aya/detail/single_use.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/detail/task_state.hpp>

#include <atomic>
#include <coroutine>
#include <utility>

namespace aya::inline v1::detail {

class wait_list;

/// One suspended task. Its claim decides between a waker and a canceller. A waker may destroy the primitive right after it has
/// woken everybody, so a canceller touches the list only when it holds the claim; the list waits for that in its destructor.
class waiter : public suspension {
public:
    waiter() = default;

    [[nodiscard]] task_state& task() const noexcept { return *task_; }

protected:
    waiter(waiter&& unawaited) noexcept : use_(std::move(unawaited.use_)) {}
    ~waiter() = default;

    /// First in await_ready(). Throws invalid_state_error when it was awaited already, or moved from.
    void begin_await() {
        if (!use_.spend()) [[unlikely]]
            refuse_await();
    }

    /// Links behind `list` and suspends. The lock is held, and released here. The coroutine stays suspended in any case.
    void suspend_on(wait_list& list, task_state& task, std::coroutine_handle<> resume_point) noexcept;

    [[nodiscard]] bool suspended() const noexcept { return task_ != nullptr; }

    /// After the resume: true if the task was cancelled. `woken` tells whether somebody handed over what was waited for; it
    /// must then be passed on before cancelled_error is thrown.
    struct result {
        bool cancelled;
        bool woken;
    };
    [[nodiscard]] result finish_wait() noexcept;

    /// Leaves the list. A primitive that does more than that overrides it, by means of the two calls below.
    verdict request_cancel(cancel_walk&) noexcept override;
    /// For a canceller: true when the claim is the caller's, who then takes the waiter off its list.
    [[nodiscard]] bool claim_for_cancel() noexcept;
    [[nodiscard]] bool assured() const noexcept { return claim_.load() == claim::assured; }

private:
    friend wait_list;

    [[noreturn]] void refuse_await() const;

    // `assured`: it has been claimed, and waits on without competition for what the list gives it; see wait_list::adopt().
    enum class claim : unsigned char { none, waker, canceller, assured };

    waiter* next_ = nullptr; // under the list's lock
    waiter* previous_ = nullptr;
    wait_list* list_ = nullptr;
    task_state* task_ = nullptr;
    std::atomic<claim> claim_{claim::none};
    single_use use_;
};

class wait_list {
public:
    explicit wait_list(spin_lock& mutex) noexcept : mutex_(&mutex) {}
    wait_list(wait_list const&) = delete;
    wait_list& operator=(wait_list const&) = delete;

    /// Waits for cancelled waiters to leave. Ends the program with a message if others still wait.
    ~wait_list();

    // All with the lock held.
    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

    /// Takes the first waiter that is not cancelled off and claims it; the caller calls wake() on its task after releasing the lock.
    /// Null when there is none.
    [[nodiscard]] waiter* take_first() noexcept { return first_ == nullptr ? nullptr : take_first_of_some(); }

    /// A chain of claimed waiters, for waking outside the lock.
    class batch {
    public:
        /// Behind the others.
        void add(waiter& w) noexcept;
        void wake_all() noexcept;
        [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

    private:
        waiter* first_ = nullptr;
        waiter* last_ = nullptr;
    };
    [[nodiscard]] batch take_all() noexcept;

    /// Links a waiter that the caller has claimed and taken off another list. It cannot be cancelled any more, and comes in its turn.
    void adopt(waiter& w) noexcept;
    /// For a canceller that has the claim.
    void remove(waiter& w) noexcept { unlink(w); }

private:
    friend waiter;

    void push_back(waiter& w) noexcept;
    waiter* take_first_of_some() noexcept;
    void unlink(waiter& w) noexcept;

    spin_lock* mutex_;
    waiter* first_ = nullptr;
    waiter* last_ = nullptr;
};

} // namespace aya::inline v1::detail
