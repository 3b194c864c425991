// SPDX-License-Identifier: Apache-2.0
// How a runtime's work ends: in good order, or at once; and not at all in the child of a fork().
#include "executors/fork_guard.hpp"
#include "executors/waiting_thread.hpp"

#include <aya/detail/balance.hpp>
#include <aya/sleep.hpp>
#include <aya/wait.hpp>

#include <fmt/format.h>

#include <new>
#include <utility>
#include <vector>

namespace aya::inline v1::detail {

namespace {

// The result is never looked at, so its type does not matter.
using some_task = task_handle<void>;

std::vector<some_task> others(scheduler& home, task_state const* except) {
    std::vector<some_task> all;
    for (state_reference const& t : home.registry().snapshot())
        if (t.get() != except && !t->done())
            all.push_back(handle_access::share_as<some_task>(*t));
    return all;
}

std::atomic<runtime_core*> abandoned{nullptr};

} // namespace

// --- which tasks come in --------------------------------------------------------------------------------------------------

bool runtime_core::takes_tasks() const noexcept {
    stage const now = stage_.load();
    if (now == stage::open) [[likely]]
        return true;
    thread_context const* const here = this_thread();
    return now == stage::closing && here != nullptr && &here->home->owner() == this; // as create_task()
}

void runtime_core::require_open(char const* what) const {
    require_same_process(what);
    if (!takes_tasks())
        throw invalid_state_error(fmt::format("{}: the runtime is shut down", what));
}

void runtime_core::start(task_state& t, bool eagerly) {
    // `t` is registered. Its shard's lock orders that and shut_down()'s look there: either the shutdown has found it, or what the
    // shutdown did before is seen here.
    bool const refused = !takes_tasks();
    if (refused)
        t.cancel("the runtime is shut down"); // before its first step, so there will be none
    if (refused || !eagerly || !t.start_eagerly())
        t.home().schedule(t);
    if (refused) {
        count(counted::rejected, 1);
        count(counted::cancelled, -1); // or will be
        throw invalid_state_error("aya::runtime::spawn: the runtime is shut down");
    }
}

// --- the end --------------------------------------------------------------------------------------------------------------

shutdown_report runtime_core::shut_down(time_point deadline) {
    require_same_process("aya::runtime::shutdown");
    if (options_.driven_by_host)
        require_host("aya::runtime::shutdown");
    std::lock_guard const guard(shutdown_mutex_);
    if (stage_.load() == stage::closed)
        return report_;
    stage_.store(stage::closing);
    if (deadline > clock_.now()) {
        auto const waiting = detail::spawn(*scheduler_, wait_for_tasks(deadline));
        (void)wait_for_either(*handle_access::checked(waiting), false);
    }
    for (some_task const& t : others(*scheduler_, nullptr))
        report_.left.push_back(t.name());
    end_work();
    stage_.store(stage::closed);
    return report_;
}

// Until none is left, or the deadline. Runs as a task: so the time is the runtime's, virtual or not.
task<> runtime_core::wait_for_tasks(time_point deadline) {
    task_state const* const self = &this_task("aya::runtime::shutdown");
    for (;;) {
        std::vector<some_task> tasks = others(*scheduler_, self);
        if (tasks.empty())
            co_return;
        wait_options options;
        if (deadline != time_point::max())
            options.timeout = deadline - clock_.now();
        auto waiting = aya::wait(std::move(tasks), options);
        auto const result = co_await std::move(waiting);
        report_.completed += result.done.size();
        if (!result.pending.empty())
            co_return;
    }
}

void runtime_core::end_work() {
    report_.cancelled += drain();
    end_callbacks();
    report_.cancelled += drain();
    {
        std::lock_guard const guard(pools_mutex_);
        pools_closed_ = true;
    }
    // Jobs whose tasks are gone may still run, and may still start tasks; those are refused by the pools.
    if (blocking_ != nullptr)
        blocking_->shut_down();
    if (cpu_ != nullptr)
        cpu_->shut_down();
    report_.cancelled += drain();
}

// Tasks that are left are cancelled once and awaited; what they spawn meanwhile is treated alike, until none is left. How many it were.
std::size_t runtime_core::drain() {
    for (std::size_t count = 0;;) {
        std::vector<state_reference> left;
        try {
            left = scheduler_->registry().snapshot();
        } catch (std::bad_alloc const&) {
            // Not even for a list of them: one after another, those first that know nothing of the end.
            state_reference const t = scheduler_->registry().next_to_cancel();
            if (!t)
                return count;
            if (t->cancelling() == 0) {
                ++count;
                t->cancel("the runtime shuts down");
            } else {
                (void)wait_for_either(*t, false);
                report_failed_leftover(*t);
            }
            continue;
        }
        if (left.empty())
            return count;
        count += left.size();
        for (auto const& t : left)
            t->cancel("the runtime shuts down");
        for (auto const& t : left)
            (void)wait_for_either(*t, false);
        for (auto const& t : left)
            report_failed_leftover(*t);
    }
}

// Whoever has a handle to it may not come to ask any more.
void runtime_core::report_failed_leftover(task_state& t) noexcept {
    if (!t.unretrieved())
        return;
    try {
        reports_->report({"Unhandled exception at the end of the runtime", t.name(), t.error(), t.created()});
        t.mark_retrieved();
    } catch (std::bad_alloc const&) {
        // Then the last handle's end reports it.
    }
}

// Those that are queued still run; they may start tasks, but queue no more callbacks.
void runtime_core::end_callbacks() {
    callbacks_->close();
    if (callbacks_->idle())
        return;
    auto wait_until_idle = [](callback_hub& callbacks) -> task<> {
        while (!callbacks.idle())
            co_await yield();
    };
    try {
        auto const waiting = detail::spawn(*scheduler_, wait_until_idle(*callbacks_));
        (void)wait_for_either(*handle_access::checked(waiting), false);
    } catch (std::bad_alloc const&) {
        // There is no memory for that task: look again and again.
        for (unsigned round = 0; !callbacks_->idle(); ++round) {
            if (loop_ != nullptr)
                (void)loop_->run_turn();
            else
                relax(round);
        }
    }
}

// --- fork() ---------------------------------------------------------------------------------------------------------------

bool runtime_core::forked() const noexcept { return generation_ != fork_generation(); }

void runtime_core::require_same_process(char const* what) const {
    if (forked())
        throw invalid_state_error(fmt::format(
            "{}: the runtime was made before fork(), and its threads did not come along; make one in the child", what));
}

// What its threads had locked stays locked, and what they had begun stays undone: nothing of it can be touched.
void runtime_core::abandon(std::unique_ptr<runtime_core> core) noexcept {
    core->host_descriptor_.reset(); // the child's copies; the parent has its own
    runtime_core* const left = core.release();
    left->next_abandoned_ = abandoned.exchange(left); // still reachable, for checkers of leaks
}

} // namespace aya::inline v1::detail
