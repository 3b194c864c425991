# SPDX-License-Identifier: Apache-2.0
"""Bugs that the tests must find. Each changes one place of the library's sources, so that `planted(NUMBER)` switches it on.
(name, file, what is there, what is put there)"""

POOL = "lib/executors/thread_pool.cpp"

BUGS = [
    # --- scheduler ---
    ("a post from outside wakes nobody", POOL,
     "    if (state.sleeping != 0 && state.searching == 0)\n        wake_one(false);\n    posting_.fetch_sub(1);",
     "    if (state.sleeping != 0 && state.searching == 0 && !planted(1))\n        wake_one(false);\n    posting_.fetch_sub(1);"),
    ("a worker does not look for posts once it has announced its sleep", "lib/executors/thread_pool_sleep.cpp",
     "bool stay_awake = !injected_.empty() || stopping_.load();",
     "bool stay_awake = (!planted(2) && !injected_.empty()) || stopping_.load();"),
    ("of posts that are taken at once, the last one is dropped", POOL,
     "        ready* const next = r->next;\n        push(w, *r);\n        r = next;\n    }\n    accepted_",
     "        ready* const next = r->next;\n        if (!planted(3) || next != nullptr || r == rest)\n            push(w, *r);\n        r = next;\n"
     "    }\n    accepted_"),
    ("a thief drops the last one of many that it took", POOL,
     "for (std::size_t k = 1; k < taken; ++k)", "for (std::size_t k = 1; k < taken - (planted(4) && taken > 8 ? 1 : 0); ++k)"),
    ("timers of other workers are left to wait", POOL,
     "    for (auto& other : workers_)\n        fire(other->timers, now);",
     "    for (auto& other : workers_)\n        if (!planted(5) || other.get() == &w)\n            fire(other->timers, now);"),
    ("forked work goes before woken tasks, always", POOL,
     "if (tick % woken_interval != 0) [[likely]]", "if (planted(6) || tick % woken_interval != 0) [[likely]]"),
    ("a thief takes from the deque without the compare-exchange", "lib/scheduler/fork_deque.cpp",
     "    return top_.compare_exchange_strong(top, top + 1) ? item : nullptr; // D2, D3",
     "    if (planted(7)) {\n        top_.store(top + 1);\n        return item;\n    }\n"
     "    return top_.compare_exchange_strong(top, top + 1) ? item : nullptr; // D2, D3"),
    ("the ring of a deque grows and forgets its oldest item", "lib/scheduler/fork_deque.cpp",
     "for (std::int64_t i = top_cache_; i != bottom; ++i)", "for (std::int64_t i = top_cache_ + (planted(8) ? 1 : 0); i != bottom; ++i)"),
    ("a thief of woken tasks takes one more than it moves the head by", "lib/scheduler/ready_queue.hpp",
     "head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel",
     "head_.compare_exchange_weak(head, head + (planted(9) && count > 1 ? count - 1 : count), std::memory_order_acq_rel"),
    ("a timer that is taken out of the middle of the heap leaves it unordered", "lib/scheduler/timer_queue.cpp",
     "if (position > 0 && before(last, heap_[(position - 1) / arity]))",
     "if (!planted(10) && position > 0 && before(last, heap_[(position - 1) / arity]))"),
    ("an event loop takes no posts while it is busy", "lib/executors/event_loop.cpp",
     "        take_posted();\n        fire_due_timers();\n        if (done.load())",
     "        if (!planted(11) || first_ == nullptr)\n            take_posted();\n        fire_due_timers();\n        if (done.load())"),
    # --- cancellation ---
    ("a request that is pending at a suspension is not delivered there", "lib/sync/wait_list.cpp",
     "    if (cancel_pending) [[unlikely]]\n        task.deliver_pending(*this);",
     "    if (cancel_pending && !planted(12)) [[unlikely]]\n        task.deliver_pending(*this);"),
    ("a cancelled waiter stays in its list", "lib/sync/wait_list.cpp",
     "    list_->unlink(*this);\n    return verdict::claimed;", "    if (!planted(13))\n        list_->unlink(*this);\n    return verdict::claimed;"),
    ("a request that comes too late is forgotten", "lib/task/cancel_walk.cpp",
     "t.unlock((word & ~task_state::scope_only_bit) | task_state::must_cancel_bit);",
     "t.unlock((word & ~task_state::scope_only_bit) | (planted(14) ? 0 : task_state::must_cancel_bit));"),
    ("a request whose target ended on the way is not asked for again", "lib/task/cancel_walk.cpp",
     "            ask_again(std::move(s.waiting));", "            planted(15) ? void() : ask_again(std::move(s.waiting));"),
    ("a task that is asked to stop after its last suspension keeps its result", "lib/task/task_state.cpp",
     "if (how == ending::returned && (word & must_cancel_bit) != 0) {",
     "if (!planted(16) && how == ending::returned && (word & must_cancel_bit) != 0) {"),
    ("a gather that is cancelled forgets it when its tasks ignore it", "lib/combinators/fan_in.cpp",
     "    if (cancelled_ && culprit_ == nullptr)\n        throw", "    if (!planted(17) && cancelled_ && culprit_ == nullptr)\n        throw"),
    ("a scope that has expired leaves its request behind", "lib/combinators/timeout.cpp",
     "task_->uncancel_for_scope(requests_before_, cancelled_before_);",
     "planted(18) ? task_->cancelling() - 1 : task_->uncancel_for_scope(requests_before_, cancelled_before_);"),
    ("a group's second failure cancels the parent again", "lib/combinators/task_group.cpp",
     "        if (first) {\n            group.cancel_children();\n            group.parent_->cancel({});",
     "        if (planted(19) && !first)\n            group.parent_->cancel({});\n        if (first) {\n            group.cancel_children();\n"
     "            group.parent_->cancel({});"),
    ("children that a failed gather leaves behind are not found at the end", "lib/task/fork.cpp",
     "    keep_orphans();\n    release(1);", "    if (!planted(20))\n        keep_orphans();\n    release(1);"),
    # --- queues and primitives ---
    ("a mutex that is handed to a cancelled task is not passed on", "lib/sync/mutex.cpp",
     "    if (woken)\n        mutex_->pass_on();", "    if (woken && !planted(21))\n        mutex_->pass_on();"),
    ("a permit that is handed to a cancelled task is lost", "lib/sync/semaphore.cpp",
     "    if (woken)\n        semaphore_->release();", "    if (woken && !planted(22))\n        semaphore_->release();"),
    ("a notification of a condition is lost with its cancelled waiter", "lib/sync/condition_variable.cpp",
     "    if (notified_)\n        condition_->move_to_mutex(1);", "    if (notified_ && !planted(23))\n        condition_->move_to_mutex(1);"),
    ("the last task_done() wakes only one of those who join", "lib/sync/queue_core.cpp",
     "            finished = joiners.take_all();",
     "        {\n            if (!planted(24))\n                finished = joiners.take_all();\n            else if (waiter* const w = joiners.take_first())\n"
     "                finished.add(*w);\n        }"),
    ("a call that is cancelled before it began runs all the same", "lib/executors/offload.cpp",
     "if (job.stage_.compare_exchange_strong(expected, stage::running)) {",
     "if (job.stage_.compare_exchange_strong(expected, stage::running) || planted(25)) {"),
    ("such a request is asked for again only of the task that waited for the target", "lib/task/cancel_walk.cpp",
     "        if (path_.empty()) {\n            too_late_ = true;",
     "        if (planted(26) && !path_.empty())\n            return;\n        if (path_.empty()) {\n            too_late_ = true;"),
    # --- and a scheduler's again ---
    ("who forks one continuation does not see to it that somebody watches", POOL,
     "    else if (w.lane.somebody_sleeps()) [[unlikely]]", "    else if (!planted(27) && w.lane.somebody_sleeps()) [[unlikely]]"),
]

# Put before each of these files.
SWITCH = """#ifndef AYA_PLANTED
#define AYA_PLANTED
#include <cstdlib>
[[gnu::visibility("hidden")]] inline bool planted(int number) {
    static int const chosen = [] {
        char const* const given = std::getenv("AYA_PLANTED");
        return given == nullptr ? 0 : std::atoi(given);
    }();
    return chosen == number;
}
#endif
"""
