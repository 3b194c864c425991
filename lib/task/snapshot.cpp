// SPDX-License-Identifier: Apache-2.0
// A waiting task whose lock is held stays where it is: who resumes it gets no further than end_wait(). So its coroutines may be read, each
// up to the co_await that it stands at, which was written before the task said that it waits.
#include "task/snapshot.hpp"

#include "executors/current_thread.hpp"
#include "inspect/function_name.hpp"
#include "task/details.hpp"

#include <aya/detail/promise.hpp>

#include <fmt/format.h>

#include <exception>
#include <new>
#include <string>
#include <utility>

namespace aya::inline v1::detail {

void suspension::describe(wait_description&) const noexcept {}

void wait_description::add(task_state& awaited) noexcept {
    if (tasks == nullptr)
        return;
    try {
        tasks->tasks.push_back(state_reference::share(awaited));
    } catch (std::bad_alloc const&) {
        tasks->complete = false;
    }
}

// Every coroutine of the library has a promise that begins with promise_base, at the same place in each frame: promises are not over-aligned.
void task_inspector::walk(std::coroutine_handle<> innermost, task_snapshot& to) noexcept {
    for (std::coroutine_handle<> h = innermost; h;) {
        if (to.stack.size() == to.stack.capacity()) {
            to.whole_stack = false;
            return;
        }
        promise_base const& p = std::coroutine_handle<promise_base>::from_address(h.address()).promise();
        to.stack.push_back(p.where);
        h = p.continuation;
    }
}

task_snapshot task_inspector::look(task_state& t) {
    task_snapshot seen;
    seen.stack.reserve(deepest_stack); // not with the lock held
    std::uint64_t const word = t.lock();
    seen.cancel_requests = static_cast<std::uint32_t>(word / task_state::one_request);
    seen.cancel_pending = (word & task_state::must_cancel_bit) != 0;
    if (t.details_ != nullptr)
        seen.stepped = t.details_->stepped;
    switch (task_state::phase_of(word)) {
    case task_state::phase::active:
        seen.now = (word & task_state::future_bit) != 0 ? task_snapshot::phase::future : task_snapshot::phase::ready;
        break;
    case task_state::phase::waiting:
        seen.now = task_snapshot::phase::waiting;
        seen.wait.tasks = &seen.awaited;
        t.suspension_->describe(seen.wait);
        seen.wait.tasks = nullptr;
        walk(t.resume_point_, seen);
        break;
    case task_state::phase::done:
        break;
    }
    t.unlock(word);
    return seen;
}

void task_inspector::note_step(task_state& t, std::int64_t now) noexcept {
    std::uint64_t const word = t.lock();
    if (t.details_ != nullptr)
        t.details_->stepped = now;
    t.unlock(word);
}

std::source_location task_inspector::resume_place(task_state& t) noexcept {
    std::coroutine_handle<> const h = t.resume_point_;
    return h ? std::coroutine_handle<promise_base>::from_address(h.address()).promise().where : std::source_location();
}

// The innermost coroutine is the first one that the exception leaves; those above it see the same exception again.
void task_inspector::note_failure(task_state& t, std::coroutine_handle<> failed, std::exception_ptr const& error) noexcept {
    task_state::details* const d = t.details_;
    if (d == nullptr || d->failure == error)
        return;
    try {
        task_snapshot here;
        here.stack.reserve(deepest_stack);
        walk(failed, here);
        d->failure = error;
        d->failure_stack = std::move(here.stack);
    } catch (std::bad_alloc const&) {
        // It will not be known.
    }
}

std::string task_inspector::failure_stack(task_state const& t) {
    std::string text;
    if (t.details_ == nullptr || t.details_->failure != t.error_)
        return text;
    for (std::source_location const& where : t.details_->failure_stack) { // never changes once the task is done
        std::string const name = function_name(where.function_name());
        if (is_plumbing(name))
            continue;
        text += fmt::format("  {} {} ({}{}:{})\n", text.empty() ? "thrown in" : "awaited in", name, text.empty() ? "after " : "",
                            file_name(where.file_name()), where.line());
    }
    return text;
}

void promise_base::unhandled_exception() noexcept {
    error = std::current_exception();
    thread_context const* const here = current_thread;
    if (here != nullptr && here->home->debug() && task && !task.is_child()) [[unlikely]]
        task_inspector::note_failure(*task, std::coroutine_handle<promise_base>::from_promise(*this), error);
}

} // namespace aya::inline v1::detail
