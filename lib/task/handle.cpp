// SPDX-License-Identifier: Apache-2.0
#include <aya/task_handle.hpp>

#include <aya/detail/scheduler.hpp>
#include <aya/errors.hpp>

namespace aya::detail {

ending classify(std::exception_ptr const& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (cancelled_error const&) {
        return ending::cancelled;
    } catch (...) {
        return ending::failed;
    }
}

std::exception_ptr handle_base::exception() const {
    task_state& s = checked_done();
    s.mark_retrieved();
    if (s.how() == ending::cancelled)
        std::rethrow_exception(s.error());
    return s.error();
}

task_state& handle_base::checked_done() const {
    task_state& s = checked();
    if (!s.done())
        throw_invalid_state("aya::task_handle: the task is not done");
    return s;
}

} // namespace aya::detail

namespace aya {

any_task_handle current_task() {
    return any_task_handle(detail::state_reference::share(detail::this_task("aya::current_task")));
}

} // namespace aya
