// SPDX-License-Identifier: Apache-2.0
// A call that another process runs, and those who wait for it.
#pragma once

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/process_function.hpp>
#include <aya/detail/promise.hpp>
#include <aya/detail/task_state.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

namespace aya::inline v1::detail {

class process_core;
class process_worker;

/// What the pool keeps of a call. A reference for the pool from submission to the end, others for those who wait.
class process_job : public frame_allocated {
public:
    explicit process_job(process_function const& f) noexcept : function(&f) {}
    process_job(process_job const&) = delete;
    process_job& operator=(process_job const&) = delete;

    void add_reference() noexcept { references_.fetch_add(1); }
    void release() noexcept {
        if (references_.fetch_sub(1) == 1)
            delete this;
    }

    /// Encodes the arguments, or notes what it threw.
    template <class Signature, class... Arguments>
    void encode(Arguments&&... arguments) noexcept {
        try {
            Signature::encode_arguments(message, true, std::forward<Arguments>(arguments)...);
        } catch (...) {
            error = std::current_exception();
        }
    }
    /// After the end, by one who has a reference: the result, or whatever there is instead of it.
    template <class R>
    R take() {
        require_result();
        return decode_result<R>(message);
    }

    /// The call is over: `message` and `status`, or `error`, are filled in. Outside every lock.
    virtual void ended() noexcept = 0;
    /// False once nobody waits for it, which may be so before the pool has it.
    [[nodiscard]] virtual bool wanted() const noexcept { return true; }

    process_function const* const function;
    process_message message; // the arguments, later the result
    process_status status = process_status::returned;
    std::exception_ptr error;

    // The pool's, under its lock.
    enum class place : std::uint8_t { nowhere, queued, at_worker };
    place where = place::nowhere;
    process_worker* worker = nullptr;
    process_job* next = nullptr;
    process_job* previous = nullptr;

protected:
    virtual ~process_job() = default;

private:
    void require_result();

    std::atomic<std::uint32_t> references_{1};
};

/// A call that a task waits for.
class awaited_process_job final : public process_job {
public:
    using process_job::process_job;

    void ended() noexcept override;
    [[nodiscard]] bool wanted() const noexcept override { return stage_.load() != stage::abandoned; }
    void set_waiter(task_state& waiter) noexcept { waiter_ = &waiter; }
    /// True when the task may go on at once; nobody will wake it.
    [[nodiscard]] bool abandon() noexcept;

private:
    enum class stage : std::uint8_t { pending, done, abandoned };

    std::atomic<stage> stage_{stage::pending};
    task_state* waiter_ = nullptr;
};

/// Owns the job's first reference, and waits for it. A wait that is cancelled takes the job away from the pool, by force if it has begun.
class process_wait : public suspension {
public:
    process_wait(std::shared_ptr<process_core> pool, process_function const& f) : pool_(std::move(pool)), job_(new awaited_process_job(f)) {}
    process_wait(process_wait&& unawaited) noexcept : pool_(std::move(unawaited.pool_)), job_(std::exchange(unawaited.job_, nullptr)) {}
    ~process_wait() {
        if (job_ != nullptr)
            job_->release();
    }

    [[nodiscard]] awaited_process_job& job() noexcept { return *job_; }

    bool await_ready() const {
        if (job_ == nullptr) [[unlikely]]
            throw_invalid_state("aya::process_pool: awaited after it was moved from");
        return job_->error != nullptr; // the arguments could not be encoded
    }
    template <task_promise Promise>
    void await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        suspend(*h.promise().task, h);
    }

protected:
    void finish_wait();

    std::shared_ptr<process_core> pool_;
    awaited_process_job* job_;

private:
    verdict request_cancel(cancel_walk&) noexcept final;
    void describe(wait_description& d) const noexcept final { d.what = "to_process"; }
    void suspend(task_state& waiter, std::coroutine_handle<> h);

    task_state* waiter_ = nullptr;
    bool cancelled_ = false;
};

template <class R>
class [[nodiscard]] process_awaiter final : public process_wait {
public:
    using operation_result = R;
    using process_wait::process_wait;

    R await_resume() {
        finish_wait();
        return job_->template take<R>();
    }
};

} // namespace aya::inline v1::detail
