// SPDX-License-Identifier: Apache-2.0
#include <aya/task_group.hpp>

#include <aya/detail/scheduler.hpp>
#include <aya/errors.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

namespace aya::inline v1 {

exception_group::exception_group(std::string const& message, std::vector<std::exception_ptr> exceptions)
    : std::runtime_error(fmt::format("{} ({} sub-exception{})", message, exceptions.size(),
                                     exceptions.size() == 1 ? "" : "s")),
      message_(message), exceptions_(std::move(exceptions)) {
    if (exceptions_.empty())
        detail::throw_invalid_argument("aya::exception_group: needs at least one exception");
}

/// One child, from its creation to its end; to the group's end if it failed.
struct task_group::member final : link, detail::completion, detail::ready, detail::frame_allocated {
    explicit member(task_group& g) noexcept : completion(&child_ended), ready(&ended_eagerly), group(&g) {}

    static void ended_eagerly(detail::ready& r) noexcept {
        auto& m = static_cast<member&>(r);
        detail::state_reference const keep = m.child;
        child_ended(m, *keep);
    }

    task_group* group;
    detail::state_reference child;
};

/// Suspends the parent until no child is left, or it is cancelled.
class task_group::exit_awaiter final : public detail::suspension {
public:
    explicit exit_awaiter(task_group& g) noexcept : group_(&g) {}

    bool await_ready() const noexcept { return false; }
    template <detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        detail::task_state& parent = *group_->parent_;
        bool cancel_pending = false;
        {
            std::lock_guard const hold(group_->mutex_);
            if (group_->children_ == 0)
                return false;
            suspended_ = true;
            group_->exiting_parent_ = &parent;
            cancel_pending = parent.begin_wait(*this, h);
        }
        if (cancel_pending)
            parent.deliver_pending(*this);
        return true;
    }
    /// True if the parent was cancelled.
    bool await_resume() noexcept {
        if (!suspended_)
            return false;
        return group_->parent_->end_wait() || cancelled_;
    }

private:
    verdict request_cancel(detail::cancel_walk&) noexcept override {
        std::lock_guard const hold(group_->mutex_);
        if (group_->exiting_parent_ == nullptr)
            return verdict::too_late;
        group_->exiting_parent_ = nullptr;
        cancelled_ = true;
        return verdict::claimed;
    }

    void describe(detail::wait_description& d) const noexcept override {
        d.inside("task_group");
        std::lock_guard const hold(group_->mutex_);
        for (link const* list : {&group_->running_, &group_->doomed_}) {
            for (link const* l = list->next; l != list; l = l->next) {
                d.add(*static_cast<member const*>(l)->child);
                ++d.count;
            }
        }
    }

    task_group* group_;
    bool suspended_ = false;
    bool cancelled_ = false;
};

task_group::task_group() : parent_(&detail::this_task("aya::with_task_group")) {}

task_group::~task_group() {
    while (!failed_.alone()) {
        auto* const m = static_cast<member*>(failed_.next);
        m->move_before(*m);
        delete m;
    }
}

void task_group::link::move_before(link& position) noexcept {
    previous->next = next;
    next->previous = previous;
    next = previous = this;
    if (&position == this)
        return;
    next = &position;
    previous = position.previous;
    previous->next = this;
    position.previous = this;
}

task_group::member& task_group::begin_create() {
    auto m = std::make_unique<member>(*this);
    std::lock_guard const hold(mutex_);
    if (ended_)
        detail::throw_invalid_state("aya::task_group::create_task: the group has ended");
    if (aborting_)
        detail::throw_invalid_state("aya::task_group::create_task: the group is shutting down");
    ++children_; // before the child can end
    return *m.release();
}

void task_group::abandon_create(member& place) noexcept { count_end(&place); }

void task_group::adopt(member& place, detail::task_state& child) noexcept {
    place.child = detail::state_reference::share(child);
    // Not scheduled yet, but in the registry: the end of the runtime, or who lists all tasks, may be watching it too.
    (void)child.add_completion(place);
    bool aborting = false;
    {
        std::lock_guard const hold(mutex_);
        place.move_before(running_);
        aborting = aborting_;
    }
    if (aborting)
        child.cancel({}); // the abort came between begin_create() and here, and did not see this child
}

// The same for a child that has made its first step already. If that was its last one, the group hears of it in a later step: a failure
// must not cancel the parent inside create_task().
void task_group::adopt_started(member& place, detail::task_state& child) noexcept {
    detail::scheduler& home = parent_->home().base();
    place.child = detail::state_reference::share(child);
    bool aborting = false;
    {
        std::lock_guard const hold(mutex_);
        place.move_before(running_);
        aborting = aborting_;
    }
    bool const runs = child.add_completion(place);
    if (!runs)
        home.schedule(place);
    else if (aborting)
        child.cancel({});
}

// With the lock held. True for the first one, who then calls cancel_children() without it.
bool task_group::begin_abort() noexcept {
    if (std::exchange(aborting_, true))
        return false;
    if (!running_.alone()) { // all of them, in one step
        doomed_.next = running_.next;
        doomed_.previous = running_.previous;
        doomed_.next->previous = doomed_.previous->next = &doomed_;
        running_.next = running_.previous = &running_;
    }
    return true;
}

void task_group::cancel_children() noexcept {
    for (;;) {
        detail::state_reference child;
        {
            std::lock_guard const hold(mutex_);
            if (doomed_.alone())
                return;
            auto* const m = static_cast<member*>(doomed_.next);
            m->move_before(running_);
            child = m->child;
        }
        child->cancel({});
    }
}

void task_group::child_ended(detail::completion& c, detail::task_state& child) noexcept {
    auto& m = static_cast<member&>(c);
    task_group& group = *m.group;
    bool const failed = child.how() == detail::ending::failed;
    if (failed) {
        child.mark_retrieved();
        bool first = false;
        {
            std::lock_guard const hold(group.mutex_);
            m.move_before(group.failed_);
            first = group.begin_abort();
            group.parent_cancelled_ = group.parent_cancelled_ || first;
        }
        if (first) {
            group.cancel_children();
            group.parent_->cancel({}); // this child still counts, so the parent cannot leave before
        }
    }
    group.count_end(failed ? nullptr : &m);
}

// The group may be gone after this; `ended` is not needed any more.
void task_group::count_end(member* ended) noexcept {
    detail::task_state* woken = nullptr;
    {
        std::lock_guard const hold(mutex_);
        if (ended != nullptr)
            ended->move_before(*ended);
        if (--children_ == 0)
            woken = std::exchange(exiting_parent_, nullptr);
    }
    if (woken != nullptr)
        woken->wake();
    delete ended;
}

void task_group::cancel() noexcept {
    bool first = false;
    {
        std::lock_guard const hold(mutex_);
        if (ended_)
            return;
        first = begin_abort();
        parent_cancelled_ = parent_cancelled_ || first;
        children_ += first ? 1 : 0; // the parent cannot leave before it is cancelled
    }
    if (!first)
        return;
    cancel_children();
    parent_->cancel({});
    count_end(nullptr);
}

bool task_group::end_if_empty() noexcept {
    std::lock_guard const hold(mutex_);
    ended_ = children_ == 0;
    return ended_;
}

// When no child is left, so nobody else touches the group. The body may have awaited the child that failed: an exception counts once.
std::vector<std::exception_ptr> task_group::errors() const {
    std::vector<std::exception_ptr> all;
    auto const add = [&](std::exception_ptr const& error) {
        if (std::find(all.begin(), all.end(), error) == all.end())
            all.push_back(error);
    };
    for (link const* l = failed_.next; l != &failed_; l = l->next)
        add(static_cast<member const*>(l)->child->error());
    if (body_error_ && detail::classify(body_error_) != detail::ending::cancelled)
        add(body_error_);
    return all;
}

task<> task_group::exit() {
    auto const abort = [this] {
        std::unique_lock hold(mutex_);
        bool const first = begin_abort();
        hold.unlock();
        if (first)
            cancel_children();
        return first;
    };
    std::exception_ptr cancellation;
    if (body_error_) {
        if (detail::classify(body_error_) == detail::ending::cancelled)
            cancellation = body_error_;
        abort();
    }
    while (!end_if_empty())
        if (co_await exit_awaiter(*this))
            if (abort())
                cancellation = std::make_exception_ptr(cancelled_error(parent_->take_cancel_message()));
    if (parent_cancelled_ && parent_->uncancel() == 0)
        cancellation = nullptr; // it was the group's own
    auto errors = this->errors();
    if (auto const fatal = std::find_if(errors.begin(), errors.end(), detail::is_fatal); fatal != errors.end())
        std::rethrow_exception(*fatal); // bare, and the others are dropped
    if (errors.empty()) {
        if (cancellation)
            std::rethrow_exception(cancellation);
        co_return;
    }
    if (parent_->cancelling() != 0) {
        // A cancellation from outside is not lost: it is delivered at the next suspension.
        parent_->uncancel();
        parent_->cancel({});
    }
    throw exception_group("unhandled errors in a TaskGroup", std::move(errors));
}

} // namespace aya::inline v1
