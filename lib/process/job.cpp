// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/process_job.hpp>

#include "executors/runtime_core.hpp"
#include "process/core.hpp"

#include <aya/errors.hpp>

#include <fmt/format.h>

#include <string>

namespace aya::inline v1::detail {

void process_job::require_result() {
    if (error)
        std::rethrow_exception(std::move(error));
    if (status == process_status::returned)
        return;
    if (status == process_status::unknown_function)
        throw broken_executor(
            fmt::format("aya::process_pool: the child process does not have the function '{}'; is it in a library that only this process has loaded?",
                        function->name()));
    message_input input(message);
    auto const text = [&] {
        std::span<std::byte const> const bytes = input.view_block(1);
        return std::string(reinterpret_cast<char const*>(bytes.data()), bytes.size());
    };
    std::string first = text();
    if (status == process_status::threw) {
        std::string second = text();
        throw remote_error(std::move(first), std::move(second));
    }
    throw serialization_error(first);
}

void awaited_process_job::ended() noexcept {
    task_state* const waiter = waiter_;
    stage expected = stage::pending;
    if (stage_.compare_exchange_strong(expected, stage::done))
        waiter->wake();
}

bool awaited_process_job::abandon() noexcept {
    stage expected = stage::pending;
    return stage_.compare_exchange_strong(expected, stage::abandoned);
}

suspension::verdict process_wait::request_cancel(cancel_walk&) noexcept {
    if (cancelled_ || !job_->abandon())
        return verdict::too_late;
    cancelled_ = true;
    return verdict::claimed;
}

void process_wait::suspend(task_state& waiter, std::coroutine_handle<> h) {
    if (waiter_ != nullptr)
        throw_invalid_state("aya::to_process: awaited twice");
    awaited_process_job& job = *job_;
    std::shared_ptr<process_core> const pool = pool_;
    waiter_ = &waiter;
    job.set_waiter(waiter);
    job.add_reference(); // the pool's
    job.add_reference(); // this function's
    // Virtual time stands still until the task goes on; it takes this back itself.
    waiter.home().owner().clock().outside.fetch_add(1);
    // From here on a canceller may resume the task, and this awaiter may be gone.
    if (waiter.begin_wait(*this, h)) [[unlikely]]
        waiter.deliver_pending(*this);
    pool->submit(job); // which drops it if the task has been cancelled meanwhile, and perhaps has told the pool before the pool had the job
    job.release();
}

void process_wait::finish_wait() {
    if (waiter_ == nullptr)
        return; // never suspended
    waiter_->home().owner().clock().outside.fetch_sub(1);
    bool const requested = waiter_->end_wait();
    if (cancelled_)
        pool_->abandon(*job_);
    if (requested || cancelled_)
        waiter_->throw_cancelled();
}

} // namespace aya::inline v1::detail
