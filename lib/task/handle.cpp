// SPDX-License-Identifier: Apache-2.0
#include <aya/task_handle.hpp>

#include "task/registry.hpp"

#include <aya/detail/scheduler.hpp>
#include <aya/errors.hpp>

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace aya::inline v1::detail {

ending classify(std::exception_ptr const& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (cancelled_error const&) {
        return ending::cancelled;
    } catch (...) {
        return ending::failed;
    }
}

bool is_fatal(std::exception_ptr const& error) noexcept {
    try {
        std::rethrow_exception(error);
    } catch (fatal_error const&) {
        return true;
    } catch (...) {
        return false;
    }
}

ending task_state::note_error(std::exception_ptr error) noexcept {
    error_ = std::move(error);
    try {
        std::rethrow_exception(error_);
    } catch (cancelled_error const&) {
        return ending::cancelled;
    } catch (fatal_error const&) {
        end_flags_ |= fatal;
    } catch (...) {
    }
    return ending::failed;
}

std::exception_ptr handle_base::exception() const {
    task_state& s = checked_done();
    s.mark_retrieved();
    if (s.how() == ending::cancelled)
        std::rethrow_exception(s.error());
    return s.error();
}

void throw_other_runtime(char const* what) {
    throw std::invalid_argument(fmt::format("{}: the task belongs to another runtime", what));
}

bool same_runtime(scheduler const& home, task_state const& t) noexcept {
    // A task that is done may have outlived its runtime, but then nobody has to wait for it.
    return t.done() || &t.home().owner() == &home.owner();
}

task_state& handle_base::checked_done() const {
    task_state& s = checked();
    if (!s.done())
        throw_invalid_state("aya::task_handle: the task is not done");
    return s;
}

} // namespace aya::inline v1::detail

namespace aya::inline v1 {

std::vector<any_task_handle> all_tasks() {
    std::vector<any_task_handle> all;
    for (detail::state_reference& s : detail::this_scheduler("aya::all_tasks").registry().snapshot())
        if (!s->done())
            all.push_back(any_task_handle(std::move(s)));
    return all;
}

any_task_handle current_task() {
    return any_task_handle(detail::state_reference::share(detail::this_task("aya::current_task")));
}

} // namespace aya::inline v1
