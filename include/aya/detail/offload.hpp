// SPDX-License-Identifier: Apache-2.0
// A call that runs on a thread outside the scheduler, and the awaiter that waits for it.
#pragma once

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/promise.hpp>
#include <aya/detail/task_state.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <tuple>
#include <type_traits>
#include <utility>

namespace aya::detail {

/// The part of the job that needs no types. Two references: the awaiter's, and the pool's from submission until it has run or
/// was dropped. A job whose awaiter was cancelled before it started never runs; one that runs already runs on, and its
/// result is dropped.
class offload_job : public frame_allocated {
public:
    offload_job(offload_job const&) = delete;
    offload_job& operator=(offload_job const&) = delete;

    // --- the pool's side ---
    offload_job* next = nullptr; // for the pool's queue
    /// Runs the call unless it was abandoned, wakes the waiting task and gives the pool's reference back.
    void run() noexcept;
    /// As run(), but ends the call with `why` instead of making it.
    void refuse(std::exception_ptr why) noexcept;

    // --- the awaiter's side ---
    void set_waiter(task_state& waiter) noexcept { waiter_ = &waiter; }
    /// True when the awaiter may go on at once; nobody will wake it.
    [[nodiscard]] bool abandon() noexcept;
    void release() noexcept;

protected:
    offload_job() = default;
    virtual ~offload_job() = default;
    virtual void call() = 0;

    std::exception_ptr error_;

private:
    enum class stage : std::uint8_t { queued, running, done, abandoned };

    void finish() noexcept;

    std::atomic<stage> stage_{stage::queued};
    std::atomic<std::uint8_t> references_{2};
    task_state* waiter_ = nullptr;
};

template <class F, class... Arguments>
class offload_call final : public offload_job {
public:
    using result = std::invoke_result_t<F, Arguments...>;

    template <class... Given>
    explicit offload_call(F&& f, Given&&... arguments)
        : function_(std::move(f)), arguments_(std::forward<Given>(arguments)...) {}

    result take() {
        if (error_)
            std::rethrow_exception(std::move(error_));
        return value_.take();
    }

private:
    void call() override {
        if constexpr (std::is_void_v<result>)
            std::apply(std::move(function_), std::move(arguments_));
        else
            value_.emplace(std::apply(std::move(function_), std::move(arguments_)));
    }

    F function_;
    std::tuple<Arguments...> arguments_;
    [[no_unique_address]] slot<result> value_;
};

enum class offload_target { blocking, cpu };

/// Owns the job's first reference and waits for it.
class offload_wait : public suspension {
public:
    offload_wait(offload_job& job, offload_target target) noexcept : job_(&job), target_(target) {}
    ~offload_wait() { job_->release(); }

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> h) {
        suspend(*h.promise().task, h);
    }

protected:
    void finish_wait();
    offload_job* job_;

private:
    verdict request_cancel(cancel_walk&) noexcept final;
    void suspend(task_state& waiter, std::coroutine_handle<> h);

    task_state* waiter_ = nullptr;
    offload_target target_;
    bool cancelled_ = false;
};

template <class F, class... Arguments>
class [[nodiscard]] offload_awaiter final : public offload_wait {
public:
    using call_type = offload_call<F, Arguments...>;

    template <class... Given>
    offload_awaiter(offload_target target, F&& f, Given&&... arguments)
        : offload_wait(*new call_type(std::move(f), std::forward<Given>(arguments)...), target) {}

    typename call_type::result await_resume() {
        finish_wait();
        return static_cast<call_type&>(*job_).take();
    }
};

} // namespace aya::detail
