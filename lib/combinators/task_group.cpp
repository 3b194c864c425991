// SPDX-License-Identifier: Apache-2.0
#include <aya/task_group.hpp>

#include <aya/detail/scheduler.hpp>
#include <aya/errors.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <mutex>

namespace aya {

exception_group::exception_group(std::string const& message, std::vector<std::exception_ptr> exceptions)
    : std::runtime_error(fmt::format("{} ({} sub-exception{})", message, exceptions.size(),
                                     exceptions.size() == 1 ? "" : "s")),
      message_(message), exceptions_(std::move(exceptions)) {
    if (exceptions_.empty())
        detail::throw_invalid_argument("aya::exception_group: needs at least one exception");
}

/// One child, from its creation to its end.
struct task_group::member final : detail::completion, detail::frame_allocated {
    member(task_group& g, detail::task_state& c) noexcept
        : completion(&child_ended), group(&g), child(detail::state_reference::share(c)) {}

    task_group* group;
    detail::state_reference child;
    member* following = nullptr; // under the group's lock
    member* preceding = nullptr;
};

/// Suspends the parent until no child is left, or it is cancelled.
class task_group::exit_awaiter final : public detail::suspension {
public:
    explicit exit_awaiter(task_group& g) noexcept : group_(&g) {}

    bool await_ready() const noexcept { return false; }
    template <detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
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

    task_group* group_;
    bool suspended_ = false;
    bool cancelled_ = false;
};

task_group::task_group() : parent_(&detail::this_task("aya::with_task_group")) {}

task_group::~task_group() = default;

detail::scheduler& task_group::begin_create() {
    std::lock_guard const hold(mutex_);
    if (ended_)
        detail::throw_invalid_state("aya::task_group::create_task: the group has ended");
    if (aborting_)
        detail::throw_invalid_state("aya::task_group::create_task: the group is shutting down");
    ++children_; // before the child can end
    return parent_->home();
}

void task_group::abandon_create() noexcept {
    detail::task_state* woken = nullptr;
    {
        std::lock_guard const hold(mutex_);
        if (--children_ == 0)
            woken = std::exchange(exiting_parent_, nullptr);
    }
    if (woken != nullptr)
        woken->wake();
}

void task_group::adopt(detail::task_state& child) {
    auto* const m = new member(*this, child);
    bool aborting = false;
    {
        std::lock_guard const hold(mutex_);
        m->following = members_;
        if (members_ != nullptr)
            members_->preceding = m;
        members_ = m;
        aborting = aborting_;
    }
    (void)child.add_completion(*m); // it has not started, so it is not done
    if (aborting)
        child.cancel({}); // the abort came between begin_create() and here, and did not see this child
}

// With the lock held: the children to cancel. They are listed oldest first.
std::vector<detail::state_reference> task_group::begin_abort(member const* except) {
    aborting_ = true;
    std::vector<detail::state_reference> children;
    for (member* m = members_; m != nullptr; m = m->following)
        if (m != except)
            children.push_back(m->child);
    std::reverse(children.begin(), children.end());
    return children;
}

void task_group::abort() {
    std::vector<detail::state_reference> children;
    {
        std::lock_guard const hold(mutex_);
        if (!aborting_)
            children = begin_abort(nullptr);
    }
    for (auto const& c : children)
        c->cancel({});
}

// With the lock held. The body may have awaited the child that failed: the same exception counts once.
void task_group::add_error(std::exception_ptr const& error) {
    if (std::find(errors_.begin(), errors_.end(), error) == errors_.end())
        errors_.push_back(error);
}

void task_group::child_ended(detail::completion& c, detail::task_state& child) noexcept {
    auto& m = static_cast<member&>(c);
    task_group& group = *m.group;
    if (child.how() == detail::ending::failed) {
        child.mark_retrieved();
        std::vector<detail::state_reference> others;
        bool cancel_parent = false;
        {
            std::lock_guard const hold(group.mutex_);
            group.add_error(child.error());
            if (!group.aborting_) {
                others = group.begin_abort(&m);
                cancel_parent = group.parent_cancelled_ = true;
            }
        }
        for (auto const& other : others)
            other->cancel({});
        if (cancel_parent)
            group.parent_->cancel({}); // this child still counts, so the parent cannot leave before
    }
    detail::task_state* woken = nullptr;
    {
        std::lock_guard const hold(group.mutex_);
        (m.preceding == nullptr ? group.members_ : m.preceding->following) = m.following;
        if (m.following != nullptr)
            m.following->preceding = m.preceding;
        if (--group.children_ == 0)
            woken = std::exchange(group.exiting_parent_, nullptr);
    }
    // The group may be gone now.
    if (woken != nullptr)
        woken->wake();
    delete &m;
}

bool task_group::end_if_empty() noexcept {
    std::lock_guard const hold(mutex_);
    ended_ = children_ == 0;
    return ended_;
}

task<> task_group::exit(std::exception_ptr body_error) {
    bool const body_cancelled = body_error && detail::classify(body_error) == detail::ending::cancelled;
    std::exception_ptr cancellation = body_cancelled ? body_error : nullptr;
    if (body_error)
        abort();
    while (!end_if_empty()) {
        if (co_await exit_awaiter(*this)) {
            std::unique_lock hold(mutex_);
            if (!aborting_) {
                hold.unlock();
                cancellation = std::make_exception_ptr(cancelled_error(parent_->take_cancel_message()));
                abort();
            }
        }
    }
    // No child is left, so nobody else touches the group.
    if (parent_cancelled_ && parent_->uncancel() == 0)
        cancellation = nullptr; // it was the group's own
    if (cancellation && errors_.empty())
        std::rethrow_exception(cancellation);
    if (body_error && !body_cancelled)
        add_error(body_error);
    if (errors_.empty())
        co_return;
    if (parent_->cancelling() != 0) {
        // A cancellation from outside is not lost: it is delivered at the next suspension.
        parent_->uncancel();
        parent_->cancel({});
    }
    throw exception_group("unhandled errors in a TaskGroup", std::move(errors_));
}

} // namespace aya
