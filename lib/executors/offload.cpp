// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/offload.hpp>

#include "executors/runtime_core.hpp"
#include "inspect/tracer.hpp"
#include "task/context.hpp"

#include <aya/errors.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <utility>

namespace aya::inline v1::detail {

// Edges: queued -> running acquires what the awaiter wrote into the job (arguments, waiter_); running -> done releases the result
// and queued/running -> abandoned belongs to the awaiter alone. All are seq_cst exchanges: one a job is no price.

namespace {

std::exception_ptr broken(char const* why) noexcept {
    try {
        return std::make_exception_ptr(broken_executor(std::string("aya: ") + why));
    } catch (...) {
        return std::current_exception();
    }
}

} // namespace

struct offload_job::trace {
    std::shared_ptr<tracer> to;
    std::uint64_t task;
    std::string name;
};

void offload_job::set_waiter(task_state& waiter) noexcept {
    waiter_ = &waiter;
    clock_ = &waiter.home().owner().clock();
    clock_->outside.fetch_add(1);
    if (waiter.home().base().watched()) [[unlikely]] {
        try {
            if (std::shared_ptr<tracer> to = waiter.home().owner().shared_trace())
                trace_ = new trace{std::move(to), waiter.id(), waiter.name()};
        } catch (std::bad_alloc const&) {
            // Then it is not in the trace.
        }
    }
}

void offload_job::run_job(ready& r) noexcept {
    auto& job = static_cast<offload_job&>(r);
    char const* const why = take_refusal();
    stage expected = stage::queued;
    if (job.stage_.compare_exchange_strong(expected, stage::running)) {
        if (why != nullptr)
            job.error_ = broken(why);
        else
            job.make_call();
        job.finish();
    }
    job.release();
}

void offload_job::make_call() noexcept {
    auto const begin = trace_ == nullptr ? tracer::time() : std::chrono::steady_clock::now();
    try {
        thread_context_scope const values(std::exchange(context_, nullptr));
        call();
    } catch (...) {
        error_ = std::current_exception();
    }
    if (trace_ != nullptr) [[unlikely]]
        trace_->to->job(trace_->name, trace_->task, begin, std::chrono::steady_clock::now());
}

void offload_job::finish() noexcept {
    task_state* const waiter = waiter_;
    clock_source* const clock = clock_;
    stage expected = stage::running;
    if (!stage_.compare_exchange_strong(expected, stage::done))
        return;
    waiter->wake();
    // After the wake-up, so that virtual time sees the task before it sees us idle; and last, because the runtime's end waits for it.
    clock->outside.fetch_sub(1);
}

bool offload_job::abandon() noexcept {
    // queued or running -> abandoned; done means that the wake-up is on its way.
    stage now = stage_.load();
    while (now != stage::done)
        if (stage_.compare_exchange_weak(now, stage::abandoned)) {
            clock_->outside.fetch_sub(1);
            return true;
        }
    return false;
}

void offload_job::carry_context() noexcept { context_ = share_current_context(); }

offload_job::~offload_job() {
    if (context_ != nullptr)
        release_context(*context_);
    delete trace_;
}

void offload_job::release() noexcept {
    if (references_.fetch_sub(1) == 1)
        delete this;
}

suspension::verdict offload_wait::request_cancel(cancel_walk&) noexcept {
    if (cancelled_ || !job_->abandon())
        return verdict::too_late;
    cancelled_ = true;
    return verdict::claimed;
}

void offload_wait::describe(wait_description& d) const noexcept {
    d.what = target_.which == offload_target::pool::blocking ? "to_thread" : target_.which == offload_target::pool::cpu ? "to_cpu" : "run_in_executor";
}

void offload_wait::suspend(task_state& waiter, std::coroutine_handle<> h) {
    if (waiter_ != nullptr || job_ == nullptr)
        throw_invalid_state("aya::to_thread, to_cpu, run_in_executor: awaited after it was moved from or awaited already");
    std::shared_ptr<executor_base> const named = target_.executor; // lives as long as this call
    executor_base* executor = named.get();
    if (target_.which == offload_target::pool::blocking)
        executor = &waiter.home().owner().blocking();
    else if (target_.which == offload_target::pool::cpu)
        executor = &waiter.home().owner().cpu();
    offload_job& job = *job_;
    waiter_ = &waiter;
    job.set_waiter(waiter);
    if (target_.which == offload_target::pool::blocking)
        job.carry_context();
    job.add_reference(); // the executor's
    // From here on a canceller may resume the task, and this awaiter may be gone; the job lives as long as the executor holds it.
    if (waiter.begin_wait(*this, h)) [[unlikely]]
        waiter.deliver_pending(*this); // abandons the job, unless the request was taken back meanwhile
    executor->submit(job);
}

void offload_wait::finish_wait() {
    if (waiter_->end_wait() || cancelled_)
        waiter_->throw_cancelled();
}

} // namespace aya::inline v1::detail

namespace aya::inline v1 {

bool stop_token::stop_requested() const noexcept { return job_->abandoned(); }

void stop_token::throw_if_stop_requested() const {
    if (stop_requested())
        throw cancelled_error("nobody waits for the call");
}

} // namespace aya::inline v1
