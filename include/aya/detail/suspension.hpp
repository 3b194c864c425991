// SPDX-License-Identifier: Apache-2.0
// The two things that others leave with a task: what it waits for, and who wants to hear of its end.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aya::inline v1::detail {

class task_state;

/// Tasks that a cancel request still has to reach. See lib/task/cancel_walk.hpp.
class cancel_walk;

/// What a waiting task waits for, for people to read.
struct wait_description {
    static constexpr std::int64_t no_time = INT64_MAX;

    char const* what = "something outside"; ///< a literal
    void const* object = nullptr;           ///< only an address
    std::size_t count = 0;                  ///< of tasks, where it waits for several
    std::int64_t until = no_time;           ///< on the runtime's clock, in nanoseconds
    int descriptor = -1;                    ///< of a file, if it is known
    bool from_outside = true;               ///< the world may end the wait, not only other tasks and timers

    /// A task that is awaited.
    void add(task_state& awaited) noexcept;
    void inside(char const* w, void const* o = nullptr) noexcept {
        what = w;
        object = o;
        from_outside = false;
    }

    struct awaited_tasks; // lib/task/snapshot.hpp
    awaited_tasks* tasks = nullptr;
};

/// What a waiting task waits for, as a canceller sees it. Lives in the awaiter, inside the coroutine frame.
class suspension {
public:
    enum class verdict {
        claimed,  ///< the wait is over: the canceller queues the task, which finds itself cancelled
        too_late, ///< somebody else has claimed the wake-up
        forwarded ///< the request goes on to the tasks that were put on the walk
    };

    /// Called with the task's lock held, so the awaiter cannot go away meanwhile. Takes the source's lock.
    virtual verdict request_cancel(cancel_walk& walk) noexcept = 0;

    /// For task trees and reports. As request_cancel(), with the task's lock held; but nothing is claimed here, so a primitive that may go away once it
    /// has woken its waiters must not be touched. Takes no other task's lock.
    virtual void describe(wait_description& d) const noexcept;

    suspension(suspension const&) = delete;
    suspension& operator=(suspension const&) = delete;

protected:
    suspension() = default;
    suspension(suspension&&) = default; // an awaiter may be moved until it is awaited
    ~suspension() = default;
};

/// Registered with a task to hear of its end. Notified once, on the thread that ended the task, after its result is visible
/// and outside its lock; removal before that is final.
struct completion {
    using function = void (*)(completion&, task_state&) noexcept;

    explicit completion(function f) noexcept : notify(f) {}
    completion(completion const&) = delete;
    completion& operator=(completion const&) = delete;

    completion* next = nullptr; // circular list; null while not registered
    completion* previous = nullptr;
    function notify;
};

} // namespace aya::inline v1::detail
