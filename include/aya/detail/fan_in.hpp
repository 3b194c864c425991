// SPDX-License-Identifier: Apache-2.0
// Waiting for several tasks at once: what gather() and wait() share. Its control block is counted, since the waiting task may
// leave before the tasks it watches are done.
#pragma once

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/promise.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/detail/task_state.hpp>
#include <aya/detail/timer.hpp>
#include <aya/time.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace aya::inline v1::detail {

/// When the wait is over, besides when all are done.
enum class fan_in_rule : unsigned char {
    gather_values,   ///< at the first failure or cancellation; cancelling goes on to the tasks
    gather_outcomes, ///< never early; cancelling goes on to the tasks
    wait_all,        ///< never early; cancelling leaves the tasks alone
    wait_first,      ///< at the first end
    wait_exception   ///< at the first failure
};

class fan_in final : public suspension, public frame_allocated {
public:
    /// Makes the block for `count` tasks, with the caller's reference.
    static fan_in* create(std::size_t count, fan_in_rule rule);
    void release() noexcept;

    /// Watches one more task. All before suspend(). Tasks that appear twice are watched twice.
    void watch(state_reference task) noexcept;
    /// The same for a task that nobody has scheduled yet: suspend() does.
    void watch_new(task_state& task) noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] task_state& task(std::size_t i) const noexcept { return *members_[i].task; }

    /// Instead of suspend(), when not all parts could be added: the new tasks end without having run.
    void drop_new(scheduler& home) noexcept;
    /// Suspends `waiter` until the rule is met, or `deadline`. False: it was met meanwhile, go on.
    [[nodiscard]] bool suspend(task_state& waiter, std::coroutine_handle<> h, std::optional<time_point> deadline);
    /// After the wait, or instead of it: stops watching, unless it gathers. Throws what the wait as a whole throws: cancelled_error, or
    /// the failure that ended a gather_values wait early.
    void finish_wait();

private:
    struct member final : completion {
        member() noexcept : completion(&notified) {}

        fan_in* owner = nullptr;
        state_reference task;
    };
    struct deadline_timer final : timer {
        explicit deadline_timer(fan_in& f) noexcept : timer(&expired), owner(&f) {}
        fan_in* owner;
    };

    fan_in(std::size_t count, fan_in_rule rule);
    ~fan_in();

    static void notified(completion& c, task_state& t) noexcept;
    static void expired(timer& t) noexcept;
    [[nodiscard]] bool gathers() const noexcept {
        return rule_ == fan_in_rule::gather_values || rule_ == fan_in_rule::gather_outcomes;
    }
    verdict request_cancel(cancel_walk& walk) noexcept override;
    void describe(wait_description& d) const noexcept override;
    [[noreturn]] void throw_cancellation();
    [[noreturn]] void throw_failure();
    [[nodiscard]] bool ends_early(task_state const& t) const noexcept;
    [[nodiscard]] bool count_end(task_state& t) noexcept;
    void stop_watching() noexcept;
    void keep_message(std::string_view message) noexcept;

    spin_lock mutex_;
    fan_in_rule const rule_;
    bool over_ = false;      // the wake-up is claimed, or not needed; under the lock
    bool cancelled_ = false; // a request came before the end; under the lock
    std::atomic<std::uint32_t> references_{1};
    std::atomic<std::size_t> left_; // tasks that are not done
    std::size_t size_ = 0;
    std::size_t const capacity_;
    member* const members_;
    ready* first_new_ = nullptr; // not scheduled yet, by `next`
    ready* last_new_ = nullptr;
    task_state* waiter_ = nullptr;
    task_state* culprit_ = nullptr;          // whose failure or cancellation ended a gather_values wait early
    std::unique_ptr<std::string> message_; // of the first request
    deadline_timer timer_{*this};
};

} // namespace aya::inline v1::detail
