// SPDX-License-Identifier: Apache-2.0
// The waiters of a synchronisation primitive, first come, first served, guarded by the primitive's own lock.
#pragma once

#include <aya/detail/promise.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/detail/task_state.hpp>

#include <atomic>
#include <coroutine>

namespace aya::detail {

class wait_list;

/// One suspended task. Its claim decides between a waker and a canceller. A waker may destroy the primitive right after it has
/// woken everybody, so a canceller touches the list only when it holds the claim; the list waits for that in its destructor.
class waiter : public suspension {
public:
    waiter() = default;

    [[nodiscard]] task_state& task() const noexcept { return *task_; }

protected:
    ~waiter() = default;

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

private:
    friend wait_list;

    verdict request_cancel(cancel_walk&) noexcept final;

    enum class claim : unsigned char { none, waker, canceller };

    waiter* next_ = nullptr; // under the list's lock
    waiter* previous_ = nullptr;
    wait_list* list_ = nullptr;
    task_state* task_ = nullptr;
    std::atomic<claim> claim_{claim::none};
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
    [[nodiscard]] waiter* take_first() noexcept;

    /// A chain of claimed waiters, for waking outside the lock.
    class batch {
    public:
        void wake_all() noexcept;
        [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }

    private:
        friend wait_list;
        waiter* first_ = nullptr;
    };
    [[nodiscard]] batch take_all() noexcept;

private:
    friend waiter;

    void push_back(waiter& w) noexcept;
    void unlink(waiter& w) noexcept;

    spin_lock* mutex_;
    waiter* first_ = nullptr;
    waiter* last_ = nullptr;
};

} // namespace aya::detail
