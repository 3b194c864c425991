// SPDX-License-Identifier: Apache-2.0
#include <aya/detail/fork.hpp>

#include "executors/current_thread.hpp"
#include "executors/runtime_core.hpp"
#include "executors/thread_pool.hpp"
#include "task/cancel_walk.hpp"
#include "task/context.hpp"

#include <aya/detail/frame_memory.hpp>
#include <aya/detail/promise.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/errors.hpp>

#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

namespace aya::inline v1::detail {

/// The state of a child that needed one. Its root knows it, so that requests to cancel reach it.
class promoted_child final : public task_state {
public:
    promoted_child(scheduler& home, forked_child& c) : task_state(home, nullptr, visibility::child), child_(&c) {
        run = &run_again;
        fork_node& root = *c.node->root_;
        {
            std::lock_guard const hold(root.rare_.mutex);
            next_ = root.rare_.promoted;
            if (next_ != nullptr)
                next_->previous_ = this;
            root.rare_.promoted = this;
            // What came before is owed to it, unless the child has felt it already.
            std::uint32_t const cancels = c.node->requests();
            std::uint64_t const count = cancels - c.node->baseline_;
            if (root.rare_.message != nullptr && cancels != c.cancels_seen)
                set_cancel_message(*root.rare_.message);
            unlock(count * one_request | (cancels == c.cancels_seen ? 0 : must_cancel_bit));
        }
        ensure_registered(); // it is complete: from here on anybody may ask it
    }

    /// The child is done. Its error, if any, is the task's; a request that came too late for it makes it cancelled.
    void end() noexcept {
        fork_node& root = *child_->node->root_;
        {
            std::lock_guard const hold(root.rare_.mutex);
            (previous_ == nullptr ? root.rare_.promoted : previous_->next_) = next_;
            if (next_ != nullptr)
                next_->previous_ = previous_;
        }
        ending how = ending::returned;
        if (child_->error)
            how = note_error(child_->error);
        mark_spoken_for();
        finish(how); // keeps the handle's reference, which is ours
        if (task_state::how() == ending::cancelled && !child_->error)
            child_->error = error();
        release();
    }

    [[nodiscard]] promoted_child* next() const noexcept { return next_; }
    [[nodiscard]] fork_node& node() const noexcept { return *child_->node; }

private:
    forked_child* child_;
    promoted_child* next_ = nullptr; // under the root's lock
    promoted_child* previous_ = nullptr;
};

/// Stands for the children that a gather left behind, so that the end of the runtime finds them.
class orphan_keeper final : public task_state {
public:
    explicit orphan_keeper(scheduler& home) : task_state(home, nullptr, visibility::registered) {}
    void end() noexcept {
        (void)end_wait();
        release(); // the handle's
        finish(ending::returned);
    }
};

task_state& task_pointer::state_of(forked_child& c) {
    if (c.state == nullptr)
        c.state = new promoted_child(*current_thread->home, c);
    return *c.state;
}

// --- making one -----------------------------------------------------------------------------------------------------------

fork_node* fork_node::create_slowly(thread_context& here, task_pointer parent, std::size_t count, fork_shape const& shape) {
    if (here.forks == nullptr || count > most_children)
        return nullptr;
    auto const children = static_cast<std::uint32_t>(count);
    if (forked_child* const c = parent.child()) {
        if (c->state == nullptr) { // no children
            auto* const n = new (allocate_frame(size_in_memory(count, shape))) fork_node(*c, children, shape);
            n->mark_split();
            return n;
        }
        parent = *c->state;
    }
    if (&parent->home() != here.home)
        return nullptr;
    return new (allocate_frame(size_in_memory(count, shape))) fork_node(*here.home, *parent, children, shape);
}

fork_node::fork_node(scheduler& home, task_state& parent, std::uint32_t count, fork_shape const& shape) noexcept
    : ready(&run_rest), left_(std::uint64_t{count} + 1), shape_(&shape), count_(count), size_(count),
      next_(static_cast<forked_child*>(place(0, shape))), parent_(parent), root_(this), baseline_(0), marks_(known_parent), rare_(*this, home) {}

fork_node::~fork_node() {
    if (!has_rare())
        return;
    delete rare_.message;
    if (rare_.context != nullptr)
        release_context(*rare_.context);
}

// `as_is`: the children have neither errors nor results that want a destructor.
void fork_node::free(bool as_is) noexcept {
    if (!as_is)
        shape_->destroy(*this);
    std::size_t const size = size_in_memory(count_, *shape_);
    this->~fork_node();
    release_frame(this, size);
}

void fork_node::drop(std::size_t children) noexcept {
    size_ = static_cast<std::uint32_t>(children);
    for (std::uint32_t i = 0; i < size_; ++i)
        child(i).frame.destroy();
    free(false);
}

// --- running --------------------------------------------------------------------------------------------------------------

std::uint32_t fork_node::index_of(forked_child& c) noexcept {
    return static_cast<std::uint32_t>((reinterpret_cast<std::byte*>(&c) - static_cast<std::byte*>(place(0))) / shape_->stride);
}

// By whoever has the rest: takes one, and leaves what is left of the rest to be stolen.
forked_child& fork_node::take_next(thread_context& here) noexcept {
    forked_child& c = *next_;
    next_ = c.next;
    if (next_ != nullptr)
        here.forks->push(here, *this);
    return c;
}

std::coroutine_handle<> fork_node::start_slowly(thread_context& here, std::coroutine_handle<> continuation) noexcept {
    if (count_ == 0)
        return continuation;
    continuation_ = continuation;
    if (root_ == this) {
        task_state& parent = *parent_;
        rare_.context = share_current_context();
        if (parent.begin_wait(rare_.waiting, continuation_)) [[unlikely]]
            parent.deliver_pending(rare_.waiting);
    }
    // A canceller may have resumed the parent already; the node is there as long as it has children.
    forked_child& first = take_next(here);
    if (!may_start(first)) [[unlikely]]
        return child_done_slowly(first, here);
    here.current = first;
    return first.frame;
}

// The deque may be full.
std::coroutine_handle<> fork_node::after_slow_push(thread_context& here, fork_node& n, forked_child& c) noexcept {
    here.forks->push(here, n);
    return c.frame;
}

std::coroutine_handle<> fork_node::after_call_for_help(thread_context& here, forked_child& c) noexcept {
    fork_lane::want_help(here);
    return c.frame;
}

bool fork_node::may_start(forked_child& c) noexcept {
    if (requests_since(baseline_) == baseline_) [[likely]]
        return true;
    refuse(c);
    return false;
}

// What is rare stands in functions of its own, here and below: the others need no stack frame for it.
[[gnu::noinline]] void fork_node::refuse(forked_child& c) noexcept {
    current_thread->current = {};
    c.frame.destroy();
    c.error = cancellation();
}

// The nearest node, from this one up, whose parent has left it behind; or else the root. Under the root's lock: a parent takes it to leave,
// so that whoever is not seen to have left waits in its node until the lock is free, and the nodes above are there as long.
fork_node& fork_node::authority() noexcept {
    fork_node* n = this;
    while (n != n->root_ && !n->orphaned_)
        n = n->parent_.child()->node;
    return *n;
}

// How many requests to stop there were that concern this node's children. Under the root's lock.
std::uint32_t fork_node::requests() noexcept {
    fork_node& n = authority();
    // Relaxed: written under the lock.
    std::uint32_t const cancels = n.rare_.cancels.load(std::memory_order_relaxed);
    return n.orphaned_ ? n.rare_.orphaned_at + cancels : cancels;
}

// The same, for who has seen so many: without the lock when there are no more.
std::uint32_t fork_node::requests_since(std::uint32_t seen) noexcept {
    // Relaxed: as in undisturbed().
    if (root_->rare_.cancels.load(std::memory_order_relaxed) == seen) [[likely]]
        return seen;
    std::lock_guard const hold(root_->rare_.mutex);
    return requests();
}

std::exception_ptr fork_node::cancellation() noexcept {
    try {
        std::lock_guard const hold(root_->rare_.mutex);
        return std::make_exception_ptr(cancelled_error(root_->rare_.message == nullptr ? std::string() : *root_->rare_.message));
    } catch (...) {
        return std::make_exception_ptr(cancelled_error()); // no memory for the text
    }
}

// What a task's end does, as far as a child has part in it.
void fork_node::settle(forked_child& c) noexcept {
    if (c.state != nullptr) [[unlikely]] {
        c.state->end();
        return;
    }
    if (c.error) [[unlikely]] {
        if (is_fatal(c.error))
            (void)home().owner().end_run(c.error);
        return;
    }
    if (requests_since(c.cancels_seen) != c.cancels_seen)
        c.error = cancellation(); // asked to stop, and no suspension came: the result is dropped
}

std::coroutine_handle<> fork_node::child_failed(forked_child& c, std::coroutine_handle<> done, std::exception_ptr& error) noexcept {
    c.error = std::move(error);
    done.destroy();
    return child_done_slowly(c, *current_thread);
}

std::coroutine_handle<> fork_node::child_done_slowly(forked_child& first, thread_context& here) noexcept {
    for (forked_child* c = &first;;) {
        fork_node& n = *c->node;
        // Relaxed: as in requests_since().
        if (c->state != nullptr || c->error || n.root_->rare_.cancels.load(std::memory_order_relaxed) != c->cancels_seen) [[unlikely]]
            n.settle(*c);
        bool const failed = c->error && !n.shape_->outcomes;
        if (failed || c->next == nullptr || here.home != &n.home() || !here.forks->take_back(n))
            return n.end_line(*c, failed, here);
        c = &n.next_of_line(*c, here);
        if (n.may_start(*c)) [[likely]] {
            here.current = *c;
            return c->frame;
        }
    }
}

std::coroutine_handle<> fork_node::continue_line(forked_child& c, thread_context& here) noexcept {
    fork_node& n = *c.node;
    forked_child& next = n.next_of_line(c, here);
    if (!n.may_start(next)) [[unlikely]]
        return child_done_slowly(next, here);
    here.current = next;
    return next.frame;
}

// The rest is there, and taken back: goes on with it after `c`.
forked_child& fork_node::next_of_line(forked_child& c, thread_context& here) noexcept {
    next_->others_before = c.others_before + index_of(*next_) - index_of(c) - 1;
    return take_next(here);
}

// `c` was the last of its line.
std::coroutine_handle<> fork_node::end_line(forked_child& c, bool failed, thread_context& here) noexcept {
    std::uint32_t const mine = index_of(c) - c.others_before + 1;
    if (mine == count_ && root_ != this) [[likely]] {
        whole_ = true;
        if (failed)
            culprit_ = &c;
        return resume_parent(here);
    }
    // Claimed before the line is counted: until then the node cannot go away.
    bool claimed = failed && (left_.fetch_or(over_bit) & over_bit) == 0;
    if (claimed)
        culprit_ = &c;
    // Acq_rel: what the children of this line did is visible to who finds all of them done.
    std::uint64_t const left = left_.fetch_sub(mine, std::memory_order_acq_rel) - mine;
    claimed = claimed || ((left & over_bit) == 0 && static_cast<std::uint32_t>(left) == 1);
    if (claimed)
        return resume_parent(here);
    if ((left & ~over_bit) == 0) {
        here.current = {}; // what the results' destructors ask for has ended
        destroy_last();
    }
    return std::noop_coroutine();
}

std::coroutine_handle<> fork_node::resume_parent(thread_context& here) noexcept {
    if (here.home != &home() || here.forks->turn_over()) [[unlikely]] {
        home().fork(*std::construct_at(&turn_, *this));
        return std::noop_coroutine();
    }
    here.current = parent_;
    return continuation_;
}

void fork_node::run_rest(ready& r) noexcept {
    auto& n = static_cast<fork_node&>(r);
    thread_context& here = *current_thread;
    n.mark_split();
    n.next_->others_before = n.index_of(*n.next_);
    forked_child& c = n.take_next(here);
    if (n.may_start(c)) [[likely]] {
        run_step(here, c, c.frame);
        return;
    }
    std::coroutine_handle<> const next = child_done_slowly(c, here); // says whose step it is
    run_step(here, here.current, next);
}

void fork_node::parent_turn::run_parent(ready& r) noexcept {
    fork_node& n = *static_cast<parent_turn&>(r).node;
    run_step(*current_thread, n.parent_, n.continuation_);
}

// --- the parent goes on -----------------------------------------------------------------------------------------------------

void fork_node::finish_wait_slowly() {
    if (count_ == 0)
        return; // it was no suspension
    if (forked_child* const c = parent_.child()) {
        std::uint32_t const cancels = c->node->requests_since(c->cancels_seen);
        if (std::exchange(c->cancels_seen, cancels) != cancels && culprit_ == nullptr)
            throw_cancellation();
    } else {
        // A request that came after the end overrides it; one that came before yields to the first failure.
        bool const late = parent_->end_wait();
        if (late)
            parent_->throw_cancelled();
        if (rare_.cancels.load() != 0 && culprit_ == nullptr)
            throw_cancellation();
    }
    if (culprit_ != nullptr)
        throw_failure();
}

[[gnu::noinline]] void fork_node::throw_cancellation() { std::rethrow_exception(cancellation()); }
[[gnu::noinline]] void fork_node::throw_failure() { std::rethrow_exception(culprit_->error); }

void fork_node::leave_slowly() noexcept {
    // Acquire: pairs with end_line()'s fetch_sub; without it a result would be destroyed while its child still writes it. Exactly the parent's
    // unit: nobody else knows the node.
    if (plain() || whole_ || (left_.load(std::memory_order_acquire) & ~over_bit) == 1 || count_ == 0) {
        free(shape_->trivial && culprit_ == nullptr && !shape_->outcomes);
        return;
    }
    keep_orphans();
    release(1);
}

// The gather failed, or was left in a circle of awaits, with children that go on.
void fork_node::keep_orphans() noexcept {
    if (root_ != this) {
        // They ask the root whether anybody was asked to stop; but what it is asked from now on does not concern them.
        root_->left_.fetch_add(one_heir);
        heir_ = true;
        std::construct_at(&rare_, *this, home());
        std::lock_guard const hold(root_->rare_.mutex);
        rare_.orphaned_at = root_->rare_.cancels.load();
        orphaned_ = true;
    }
    try {
        auto* const keeper = new orphan_keeper(home());
        {
            std::lock_guard const hold(rare_.mutex);
            rare_.keeper = keeper;
        }
        if (keeper->begin_wait(rare_.waiting, nullptr)) { // the end of the runtime has asked already
            thread_context* const here = current_thread;
            task_pointer const running = here == nullptr ? task_pointer() : here->current;
            keeper->deliver_pending(rare_.waiting);
            if (here != nullptr)
                here->current = running; // the parent goes on
        }
    } catch (std::bad_alloc const&) {
        // They go on all the same; only the end of the runtime does not cancel them.
    }
}

void fork_node::release(std::uint64_t units) noexcept {
    if (((left_.fetch_sub(units) - units) & ~over_bit) == 0)
        destroy_last();
}

void fork_node::destroy_last() noexcept {
    if (has_rare() && rare_.keeper != nullptr)
        rare_.keeper->end();
    fork_node* const root = heir_ ? root_ : nullptr;
    free(false);
    if (root != nullptr)
        root->release(one_heir);
}

void fork_node::describe(wait_description& d) const noexcept {
    d.inside("gather");
    d.count = count_;
    fork_node& root = *root_;
    std::lock_guard const hold(root.rare_.mutex);
    for (promoted_child* p = root.rare_.promoted; p != nullptr; p = p->next())
        d.add(*p);
}

suspension::verdict fork_node::request_cancel(cancel_walk& walk) noexcept {
    using verdict = suspension::verdict;
    bool orphaned = false;
    {
        std::lock_guard const hold(rare_.mutex);
        orphaned = rare_.keeper != nullptr;
    }
    fork_node& root = *root_;
    std::lock_guard const hold(root.rare_.mutex);
    std::size_t tasks = 0;
    for (promoted_child* p = root.rare_.promoted; p != nullptr; p = p->next())
        ++tasks;
    bool const room = walk.make_room(tasks);
    if (!orphaned) {
        if ((left_.load() & over_bit) != 0 || static_cast<std::uint32_t>(left_.load()) == 1)
            return verdict::too_late;
        if (walk.in_circle() || !room) {
            std::uint64_t const left = left_.fetch_or(over_bit);
            if ((left & over_bit) != 0 || static_cast<std::uint32_t>(left) == 1)
                return verdict::too_late;
            root.rare_.cancels.fetch_add(1);
            return verdict::claimed;
        }
    } else if (!room) {
        return verdict::too_late;
    }
    try {
        if (root.rare_.message == nullptr && !walk.message().empty())
            root.rare_.message = new std::string;
        if (root.rare_.message != nullptr)
            *root.rare_.message = walk.message();
    } catch (std::bad_alloc const&) {
        // The request counts, its text does not.
    }
    if (orphaned && &root != this)
        rare_.cancels.fetch_add(1);
    root.rare_.cancels.fetch_add(1);
    for (promoted_child* p = root.rare_.promoted; p != nullptr; p = p->next())
        if (!p->done() && (orphaned || !p->node().authority().orphaned_))
            walk.forward(*p, nullptr);
    return verdict::forwarded;
}

} // namespace aya::inline v1::detail
