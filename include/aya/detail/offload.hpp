// SPDX-License-Identifier: Apache-2.0
// A call that runs on a thread outside the scheduler, and the awaiter that waits for it.
#pragma once

#include <aya/detail/executor_base.hpp>
#include <aya/detail/frame_memory.hpp>
#include <aya/detail/promise.hpp>
#include <aya/detail/task_state.hpp>

#include <atomic>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

namespace detail {
class offload_job;
}

/// What a call on an executor asks whether anybody waits for it still: it takes one before its other arguments. Valid until the call returns, on any
/// thread. For loops that would go on for nothing when the task that waits is cancelled or its time is over.
class stop_token {
public:
    /// True once the task that waited was cancelled: the result will be dropped.
    [[nodiscard]] bool stop_requested() const noexcept;
    /// Throws cancelled_error then.
    void throw_if_stop_requested() const;

private:
    friend class detail::offload_job;
    explicit stop_token(detail::offload_job const& job) noexcept : job_(&job) {}

    detail::offload_job const* job_;
};

} // namespace aya::inline v1

namespace aya::inline v1::detail {

struct clock_source;

template <class F, class... Arguments>
concept stoppable_call = !std::invocable<F, Arguments...> && std::invocable<F, stop_token, Arguments...>;
template <class F, class... Arguments>
concept offloadable = std::invocable<F, Arguments...> || stoppable_call<F, Arguments...>;

/// The part of the job that needs no types; as a piece of work it makes the call, unless it was abandoned, and wakes the waiting task. Two
/// references: the awaiter's, and the executor's from submission until it has run. A job whose awaiter was cancelled before it
/// started never runs; one that runs already runs on, and its result is dropped.
class offload_job : public ready, public frame_allocated {
public:
    offload_job(offload_job const&) = delete;
    offload_job& operator=(offload_job const&) = delete;

    /// Before it is submitted, which is the caller's part.
    void set_waiter(task_state& waiter) noexcept;
    /// The call has a copy of the running task's context variables.
    void carry_context() noexcept;
    /// True when the awaiter may go on at once; nobody will wake it.
    [[nodiscard]] bool abandon() noexcept;
    [[nodiscard]] bool abandoned() const noexcept { return stage_.load() == stage::abandoned; }
    void add_reference() noexcept { references_.fetch_add(1); }
    void release() noexcept;

protected:
    offload_job() : ready(&run_job) {}
    virtual ~offload_job();
    virtual void call() = 0;
    [[nodiscard]] stop_token token() const noexcept { return stop_token(*this); }

    std::exception_ptr error_;

private:
    enum class stage : std::uint8_t { queued, running, done, abandoned };
    struct trace; // where to note when the call was made

    static void run_job(ready& r) noexcept;
    void make_call() noexcept;
    void finish() noexcept;

    std::atomic<stage> stage_{stage::queued};
    std::atomic<std::uint8_t> references_{1};
    task_state* waiter_ = nullptr;
    clock_source* clock_ = nullptr;    // of the waiting task's runtime, which exists until the job is done or abandoned
    context_block* context_ = nullptr; // the job's until it runs
    trace* trace_ = nullptr;           // while a trace is recorded
};

template <class F, class... Arguments>
struct offload_result : std::invoke_result<F, Arguments...> {};
template <class F, class... Arguments>
    requires stoppable_call<F, Arguments...>
struct offload_result<F, Arguments...> : std::invoke_result<F, stop_token, Arguments...> {};

template <class F, class... Arguments>
class offload_call final : public offload_job {
    static constexpr bool stoppable = stoppable_call<F, Arguments...>;

public:
    using result = typename offload_result<F, Arguments...>::type;

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
        auto invoke = [this](Arguments&... arguments) -> result {
            if constexpr (stoppable)
                return std::invoke(std::move(function_), token(), std::move(arguments)...);
            else
                return std::invoke(std::move(function_), std::move(arguments)...);
        };
        if constexpr (std::is_void_v<result>)
            std::apply(invoke, arguments_);
        else
            value_.emplace(std::apply(invoke, arguments_));
    }

    F function_;
    std::tuple<Arguments...> arguments_;
    [[no_unique_address]] slot<result> value_;
};

/// Which executor: one of the runtime's own pools, or one that the caller names.
struct offload_target {
    enum class pool : std::uint8_t { blocking, cpu, named };

    pool which;
    std::shared_ptr<executor_base> executor = nullptr; // when named
};

/// Owns the job's first reference and waits for it.
class offload_wait : public suspension {
public:
    offload_wait(offload_job& job, offload_target target) noexcept : job_(&job), target_(std::move(target)) {}
    offload_wait(offload_wait&& unawaited) noexcept
        : job_(std::exchange(unawaited.job_, nullptr)), target_(std::move(unawaited.target_)) {}
    ~offload_wait() {
        if (job_ != nullptr)
            job_->release();
    }

    bool await_ready() const noexcept { return false; }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        suspend(*h.promise().task, h);
    }

protected:
    void finish_wait();
    offload_job* job_;

private:
    verdict request_cancel(cancel_walk&) noexcept final;
    void describe(wait_description& d) const noexcept final;
    void suspend(task_state& waiter, std::coroutine_handle<> h);

    task_state* waiter_ = nullptr;
    offload_target target_;
    bool cancelled_ = false;
};

template <class F, class... Arguments>
class [[nodiscard]] offload_awaiter final : public offload_wait {
public:
    using call_type = offload_call<F, Arguments...>;
    using operation_result = typename call_type::result;

    template <class... Given>
    offload_awaiter(offload_target target, F&& f, Given&&... arguments)
        : offload_wait(*new call_type(std::move(f), std::forward<Given>(arguments)...), std::move(target)) {}

    typename call_type::result await_resume() {
        finish_wait();
        return static_cast<call_type&>(*job_).take();
    }
};

template <class F, class... Arguments>
auto offload(offload_target target, F&& f, Arguments&&... arguments) {
    return offload_awaiter<std::decay_t<F>, std::decay_t<Arguments>...>(
        std::move(target), std::decay_t<F>(std::forward<F>(f)), std::forward<Arguments>(arguments)...);
}

} // namespace aya::inline v1::detail
