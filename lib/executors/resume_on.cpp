// SPDX-License-Identifier: Apache-2.0
#include <aya/resume_on.hpp>

#include "executors/elsewhere.hpp"

#include <aya/errors.hpp>

namespace aya::inline v1::detail {

bool resume_on_awaiter::suspend(task_state& task, std::coroutine_handle<> h) {
    scheduler& here = task.home();
    placement place = task.kept_home(executor_);
    if (place.empty())
        place = placement(here, executor_);
    if (&place.home() == &here)
        return false;
    task.move_to(place.home());
    task_ = &task;
    target_ = &place.home();
    scheduler& there = place.home(); // the task keeps it
    // Nobody but us wakes the task; a request that comes now is left for await_resume().
    if (task.begin_wait(*this, h))
        task.deliver_pending(*this);
    there.schedule(task);
    return true;
}

void resume_on_awaiter::await_resume() {
    if (task_ == nullptr)
        return;
    bool const told = task_->end_wait();
    if (&task_->home() != target_ && task_->cancelling() == 0)
        throw broken_executor("aya::resume_on: " + task_->take_cancel_message());
    if (told)
        task_->throw_cancelled();
}

} // namespace aya::inline v1::detail
