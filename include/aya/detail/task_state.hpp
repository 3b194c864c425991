// SPDX-License-Identifier: Apache-2.0
// What the scheduler, the synchronisation primitives and the combinators know of a task: everything but its result type.
//
// One word holds phase, lock and cancel count. The rules:
//   * Only the thread that runs the task moves it from active to waiting (begin_wait), back (end_wait), and to done.
//   * Everybody else changes the word only while holding its lock bit, and so does the owner for a change that takes
//     more than one step. The lock is held for a few instructions, or while a canceller asks the suspension for its claim.
//   * A suspended task is woken by whoever claims the suspension: its source (under the source's own lock) or a canceller
//     (through suspension::request_cancel, under that same lock). The claim is exclusive, so a task is queued exactly once.
//   * A canceller that comes after the claim leaves `must_cancel`, which the task finds when it resumes.
// lib/README.md has the argument why no cancellation and no wake-up is lost.
#pragma once

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/ready.hpp>
#include <aya/detail/suspension.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

namespace aya::inline v1 {
class context;
}

namespace aya::inline v1::detail {

struct context_block;
class callback_hub;
class scheduler;
class state_reference;
class executor_base;
class placement;
class task_registry;
class task_state;

/// How a task ended.
enum class ending : std::uint8_t { none, returned, failed, cancelled };

class task_state : public ready, public frame_allocated {
public:
    enum class phase : std::uint64_t { active = 0, waiting = 1, done = 2 };
    /// Children of a gather stay out of the registry: their parent answers for them as long as it waits.
    /// A future has no coroutine: who sets it ends it.
    enum class visibility : std::uint8_t { registered, child, future };

    // --- life time: one reference for the scheduler until the task is done, one for each handle -----------------------

    void add_reference() noexcept {
        // Relaxed: whoever adds one holds one, or the lock of a list that lends them (the registry, a root's promoted children), which a
        // task leaves under that lock before it drops its own. So a lone holder stays alone, and nothing needs to be ordered by it.
        references_.fetch_add(1, std::memory_order_relaxed);
    }
    void release() noexcept {
        // Acquire: the last one sees what all others did. Nobody can make the only reference more, so it needs no locked instruction.
        // Release: what this holder did to the task happens before its end.
        if (references_.load(std::memory_order_acquire) == 1 || references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            end_life();
    }

    // --- the running task's side ------------------------------------------------------------------------------------

    /// Publishes that the task waits. The caller holds the lock of the source it waits for, which has linked `s` already.
    /// True when a cancellation is pending; the caller then calls deliver_pending() once it has released that lock, and
    /// touches nothing else of the awaiter.
    [[nodiscard]] bool begin_wait(suspension& s, std::coroutine_handle<> resume_point) noexcept;
    /// Carries a cancellation that was pending at begin_wait() to `s`, if the task still waits there.
    void deliver_pending(suspension& s) noexcept;

    /// First thing after a resume that followed begin_wait. True when a cancellation arrived after the claim; it is consumed.
    [[nodiscard]] bool end_wait() noexcept;

    /// Consumes a pending cancellation. For suspensions that nobody can claim, such as a yield.
    [[nodiscard]] bool take_pending_cancel() noexcept;

    /// Leaves the cancellation that end_wait() has just consumed for the next suspension.
    void postpone_cancel() noexcept;

    /// Where resume() goes on when there is no suspension to publish (yield).
    void set_resume_point(std::coroutine_handle<> h) noexcept { resume_point_ = h; }

    /// Queues the task, whose wake-up the caller has claimed. Any thread.
    void wake() noexcept;

    /// Ends the task; called on its own thread, after its coroutine frame is gone. The scheduler's reference goes with it.
    void finish(ending how) noexcept;

    /// For a new task: runs its first step inside the caller's. False where that cannot be: schedule it then.
    [[nodiscard]] bool start_eagerly() noexcept;

    // --- a future's setters, any thread; they hold a reference -------------------------------------------------------

    /// True for one setter at a time, unless the future is done: that one may fill in the result.
    [[nodiscard]] bool claim_result() noexcept;
    /// The claim is given back: there is no result after all.
    void unclaim_result() noexcept;
    /// Ends the future. False when it was done already; a cancellation needs no claim.
    bool complete(ending how, std::exception_ptr error) noexcept;

    // --- everybody's side -------------------------------------------------------------------------------------------

    [[nodiscard]] bool done() const noexcept {
        // Acquire: pairs with the release that publishes `done`; the result is visible to who sees it.
        return phase_of(word_.load(std::memory_order_acquire)) == phase::done;
    }
    /// How a done task ended.
    [[nodiscard]] ending how() const noexcept { return ending_; }
    [[nodiscard]] std::exception_ptr const& error() const noexcept { return error_; }

    bool cancel(std::string_view message);
    std::uint32_t uncancel() noexcept;
    /// A timeout scope's request, and its withdrawal, which also takes a cancellation back that was not delivered, unless it is, or may be,
    /// somebody else's. The number of requests, and whether one was pending, are those at the scope's entry.
    void cancel_for_scope();
    std::uint32_t uncancel_for_scope(std::uint32_t requests_before, bool cancelled_before) noexcept;
    [[nodiscard]] std::uint32_t cancelling() const noexcept;
    /// The same, and whether one of them waits to be delivered at the next suspension, at one moment.
    struct pending_requests {
        std::uint32_t count;
        bool pending;
    };
    [[nodiscard]] pending_requests requests() const noexcept;

    /// For a gather that leaves before its children are done: from now on the registry knows this one.
    void ensure_registered() noexcept;

    /// For a task that nobody else knows yet.
    void add_first_completion(completion& c) noexcept { link(c); }

    /// False when the task is done already (then it is not registered).
    [[nodiscard]] bool add_completion(completion& c) noexcept;
    /// As add_completion(), but also behind those that are being notified of the end: the order of registration is kept.
    [[nodiscard]] bool add_late_completion(completion& c) noexcept;
    /// True when removed; false when it was or is being notified.
    bool remove_completion(completion& c) noexcept;

    /// As add_completion for an awaiter of the running task `waiter`: registers `c` and suspends `waiter` on `s` in one step.
    /// False when this task is done already.
    [[nodiscard]] bool join_from(task_state& waiter, completion& c, suspension& s, std::coroutine_handle<> resume_point) noexcept;

    /// A group's child, which runs depth first where the group's tasks do; before it is scheduled.
    void mark_forked() noexcept { end_flags_ |= forked; }
    [[nodiscard]] bool is_forked() const noexcept { return (end_flags_ & forked) != 0; }

    /// Somebody else answers for the exception, whatever comes.
    void mark_spoken_for() noexcept { end_flags_ |= spoken_for; }
    /// For a done task: somebody has asked for its exception. Relaxed, here and below: flags for reports only.
    void mark_retrieved() noexcept { retrieved_.store(retrieved, std::memory_order_relaxed); }
    /// The same for one that may still run: the exception of a later failure counts anew.
    void mark_asked() noexcept { retrieved_.fetch_or(retrieved, std::memory_order_relaxed); }
    /// Nobody will ask for its exception, and that is right, however it ends. Any thread that holds a reference.
    void answer_for() noexcept { retrieved_.fetch_or(answered_for, std::memory_order_relaxed); }
    /// For a done task: whether its exception is still to be reported.
    [[nodiscard]] bool unretrieved() const noexcept {
        return how() == ending::failed && retrieved_.load(std::memory_order_relaxed) == 0;
    }

    [[nodiscard]] std::string name() const;
    void set_name(std::string_view name);
    /// For a new task: a name is not worth losing a task for when memory is short. Empty: none.
    void name_if_possible(std::string_view name) noexcept;
    [[nodiscard]] std::uint64_t id() const noexcept {
        return identity_.load(std::memory_order_relaxed) & ((std::uint64_t{1} << id_bits) - 1);
    }
    /// In debug mode, the stack where the task was made, as text.
    [[nodiscard]] std::string created() const;
    /// The scheduler that runs the task: its runtime's, or one of an executor. A task that moves keeps those that it had.
    [[nodiscard]] scheduler& home() const noexcept {
        // Acquire: whoever sees the scheduler of an executor sees it whole.
        return *scheduler_.load(std::memory_order_acquire);
    }
    /// The task goes on there from its next step on. Its own thread, before it suspends. Throws std::bad_alloc.
    void move_to(scheduler& home);
    /// The scheduler of `e` that the task has had before, if any. The same thread.
    [[nodiscard]] placement kept_home(std::shared_ptr<executor_base> const& e) const noexcept;

    /// Where callbacks of this task's end go. The runtime exists, or this is a future.
    [[nodiscard]] std::shared_ptr<callback_hub> callbacks() const;

    /// The text of the request that is being delivered; empty afterwards.
    std::string take_cancel_message();
    /// What a cancelled task throws: takes the message of the request that is being delivered.
    [[noreturn]] void throw_cancelled();

    virtual ~task_state();

    /// The task whose step `r` is; empty for other work.
    [[nodiscard]] static state_reference behind(ready& r) noexcept;

protected:
    task_state(scheduler& home, std::coroutine_handle<> frame, visibility v);

    /// What the coroutine threw; finish() is next.
    [[nodiscard]] ending note_error(std::exception_ptr error) noexcept;

    /// Before the task's end runs foreign code, a destructor above all: current_task() must not find what is about to go.
    void no_longer_current() noexcept;

    std::exception_ptr error_;

private:
    friend class cancel_walk;
    friend struct final_awaiter;
    friend class fork_node;
    friend class promoted_child;
    friend class scheduler;
    friend class task_inspector;
    friend class task_registry;
    friend context_block*& current_context();
    friend void run_in_context(task_state& t, aya::context const& c) noexcept;
    struct details;

    static constexpr std::uint8_t fatal = 1;      // ends by a fatal_error
    static constexpr std::uint8_t spoken_for = 2; // somebody answers for its exception
    static constexpr std::uint8_t forked = 4;     // a group's child

    static constexpr std::uint8_t retrieved = 1; // in retrieved_
    static constexpr std::uint8_t answered_for = 2;

    static constexpr std::uint64_t phase_mask = 3;
    static constexpr std::uint64_t locked_bit = 4;
    static constexpr std::uint64_t must_cancel_bit = 8;
    static constexpr std::uint64_t cancel_claimed_bit = 16; // a canceller has claimed the wait that is about to end
    static constexpr std::uint64_t future_bit = 32;
    static constexpr std::uint64_t claimed_result_bit = 64; // a setter fills in a future's result
    static constexpr std::uint64_t notifying_bit = 128;     // done, and completions are still being notified
    static constexpr std::uint64_t scope_only_bit = 256;    // what must_cancel stands for came from timeout scopes alone
    static constexpr std::uint64_t pending_bits = must_cancel_bit | scope_only_bit;
    static constexpr std::uint64_t in_transit_bit = 512; // what was pending is on its way to what the task waits for: it does not resume before
    static constexpr std::uint64_t one_request = std::uint64_t{1} << 32;

    static phase phase_of(std::uint64_t word) noexcept { return static_cast<phase>(word & phase_mask); }

    static void run_first(ready& r) noexcept;
    static void run_again(ready& r) noexcept;
    // The same on an executor.
    static void run_first_elsewhere(ready& r) noexcept;
    static void run_again_elsewhere(ready& r) noexcept;
    void begin_first_step() noexcept;
    void end_unbegun() noexcept;
    ending end_otherwise(ending how, std::uint64_t word, bool delivered) noexcept;
    void end_life() noexcept;
    static void refused_first_step(ready& r) noexcept;
    static void refused_step(ready& r) noexcept;
    bool note_refusal() noexcept;
    void keep_home(scheduler& home);

    enum class wait_start : std::uint8_t { waiting, cancel_pending, busy };
    /// begin_wait(). Busy: somebody holds the lock, and the caller is not patient; the task does not wait then.
    wait_start publish_wait(suspension& s, std::coroutine_handle<> resume_point, bool patient) noexcept;

    std::uint64_t lock() noexcept;
    void unlock(std::uint64_t word) noexcept;
    void link(completion& c) noexcept;
    void unlink(completion& c) noexcept;
    details& writable_details();
    void note_creation() noexcept;
    void report_unretrieved() noexcept;
    void publish_end(std::uint64_t word) noexcept;
    bool complete_cancelled(std::string_view message) noexcept;
    void set_cancel_message(std::string_view message) noexcept;
    [[nodiscard]] std::string cancel_message() const noexcept; // with the lock held

    std::atomic<std::uint64_t> word_{0};
    std::atomic<std::uint32_t> references_{2}; // the scheduler's and the first handle's
    std::atomic<std::uint8_t> retrieved_{0};
    ending ending_ = ending::none;
    bool registered_; // under the lock bit, once the task is published
    std::uint8_t end_flags_ = 0; // the running task's own
    std::coroutine_handle<> resume_point_;
    suspension* suspension_ = nullptr; // valid while waiting
    std::atomic<scheduler*> scheduler_;
    completion* completions_ = nullptr; // under the lock bit
    details* details_ = nullptr;        // name and cancel message, when there are any; under the lock bit
    // The id, which never changes, and above it the shard of the registry, which is that shard's own. Relaxed: nothing is ordered by either.
    static constexpr unsigned id_bits = 52;
    std::atomic<std::uint64_t> identity_;
    context_block* context_;            // values of context variables; null: none. The running task's own
    task_state* registry_next_ = nullptr; // under the registry shard's lock
    task_state* registry_previous_ = nullptr;
};

} // namespace aya::inline v1::detail

#include <aya/detail/state_reference.hpp> // whoever has tasks has references to them
