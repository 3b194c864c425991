// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/offload.hpp>

#include "executors/runtime_core.hpp"

namespace aya::detail {

// Edges: queued -> running acquires what the awaiter wrote into the job (arguments, waiter_); running -> done releases the result
// and queued/running -> abandoned belongs to the awaiter alone. All are seq_cst exchanges: one a job is no price.

void offload_job::run() noexcept {
    stage expected = stage::queued;
    if (stage_.compare_exchange_strong(expected, stage::running)) {
        try {
            call();
        } catch (...) {
            error_ = std::current_exception();
        }
        finish();
    }
    release();
}

void offload_job::refuse(std::exception_ptr why) noexcept {
    stage expected = stage::queued;
    if (stage_.compare_exchange_strong(expected, stage::running)) {
        error_ = std::move(why);
        finish();
    }
    release();
}

void offload_job::finish() noexcept {
    task_state* const waiter = waiter_;
    stage expected = stage::running;
    if (stage_.compare_exchange_strong(expected, stage::done))
        waiter->wake();
}

bool offload_job::abandon() noexcept {
    // queued or running -> abandoned; done means that the wake-up is on its way.
    stage now = stage_.load();
    while (now != stage::done)
        if (stage_.compare_exchange_weak(now, stage::abandoned))
            return true;
    return false;
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

void offload_wait::suspend(task_state& waiter, std::coroutine_handle<> h) {
    runtime_core& runtime = waiter.home().owner();
    offload_job& job = *job_;
    blocking_pool* blocking = nullptr;
    cpu_pool* cpu = nullptr;
    try {
        if (target_ == offload_target::blocking)
            blocking = &runtime.blocking();
        else
            cpu = &runtime.cpu();
    } catch (...) {
        job.release(); // the pool's reference: there is no pool
        throw;
    }
    waiter_ = &waiter;
    job.set_waiter(waiter);
    if (waiter.begin_wait(*this, h)) [[unlikely]] {
        waiter.deliver_pending(*this); // abandons the job
        job.release();                 // the pool's reference: it never sees the job
        return;
    }
    // From here on a canceller may resume the task, and this awaiter may be gone; the job lives as long as the pool holds it.
    if (blocking != nullptr)
        blocking->submit(job);
    else
        cpu->submit(job);
}

void offload_wait::finish_wait() {
    if (waiter_->end_wait() || cancelled_)
        waiter_->throw_cancelled();
}

} // namespace aya::detail
