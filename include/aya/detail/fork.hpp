// SPDX-License-Identifier: Apache-2.0
// How a gather of tasks runs on a thread pool: its children are no tasks of their own until they need to be.
//
// The worker that awaits the gather starts the first child at once, and leaves "the rest" in its deque, where a thief may take it. A child
// that ends goes on with the next one if the rest is still there, and the last one with the parent, by way of run_step(). A row of
// children that run one after the other like that is a line; while nobody steals and nobody suspends, one line has them all, and no atomic
// counts them. After Blumofe and Leiserson's work stealing (1999), with the node of the gather in place of the parent as the
// thing that is stolen. lib/README.md has the rules of cancellation.
#pragma once

#include <aya/detail/fork_lane.hpp>
#include <aya/detail/frame_memory.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/detail/spin_lock.hpp>
#include <aya/detail/task_pointer.hpp>
#include <aya/detail/task_state.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>

namespace aya::inline v1::detail {

struct context_block;
class fork_node;
class promoted_child;
class orphan_keeper;

/// A child that nobody has seen yet.
struct forked_child {
    forked_child(fork_node& n, forked_child* following, std::coroutine_handle<> f) noexcept;

    fork_node* node;
    forked_child* next; // the one that is started after it; null for the last one
    std::coroutine_handle<> frame;
    promoted_child* state = nullptr; // once it has one
    std::exception_ptr error;
    std::uint32_t cancels_seen;     // how many of the root's requests it knows of
    std::uint32_t others_before = 0; // children before it that were not of its line
};

/// What is known of a gather's children when it is compiled.
struct fork_shape {
    void (*destroy)(fork_node&) noexcept; // the children's destructors
    std::uint32_t stride;                 // from child to child
    bool outcomes;                        // failures are results
    bool trivial;                         // results have trivial destructors
};

/// The children of one gather, in one block of memory with it.
class fork_node final : public ready {
public:
    /// Whether create() will do for that parent: a child that nobody knows. If not, create_slowly().
    [[nodiscard]] static bool is_plain(task_pointer parent) noexcept { return parent.is_child() && parent.as_child().state == nullptr; }
    /// For at least one child.
    [[nodiscard]] static fork_node& create(task_pointer parent, std::uint32_t count, fork_shape const& shape);
    /// Null where only whole tasks will do: on an event loop, outside the task's own pool.
    [[nodiscard]] static fork_node* create_slowly(thread_context& here, task_pointer parent, std::size_t count, fork_shape const& shape);
    static constexpr std::size_t most_children = 0x7fffffff;
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }
    /// Instead of start(), when there are only so many children: they end without having run.
    void drop(std::size_t children) noexcept;

    /// Suspends the parent and gives what runs next; the caller touches nothing of the awaiter afterwards.
    [[nodiscard]] std::coroutine_handle<> start(thread_context& here, std::coroutine_handle<> continuation);
    /// The same after create_slowly().
    [[nodiscard]] std::coroutine_handle<> start_slowly(thread_context& here, std::coroutine_handle<> continuation) noexcept;
    /// A child has its result, and its frame is gone; gives what runs next, which may be nothing.
    [[nodiscard]] static std::coroutine_handle<> child_done(forked_child& c, thread_context& here) noexcept;
    /// The same for a child that has thrown, whose frame is still there.
    [[nodiscard]] static std::coroutine_handle<> child_failed(forked_child& c, std::coroutine_handle<> done, std::exception_ptr& error) noexcept;

    /// When the parent goes on: throws cancelled_error, or the first failure.
    void finish_wait();
    /// The parent has what it wants. Children that still run go on. With what the node was made with.
    void leave(std::size_t count, fork_shape const& shape) noexcept;

    [[nodiscard]] void* place(std::size_t i) noexcept { return place(i, *shape_); }
    /// The same for who knows the shape at compile time.
    [[nodiscard]] void* place(std::size_t i, fork_shape const& shape) noexcept {
        return reinterpret_cast<std::byte*>(this) + header_size() + i * shape.stride;
    }
    [[nodiscard]] std::uint32_t baseline() const noexcept { return baseline_; }
    /// The context variables that the children begin with.
    [[nodiscard]] context_block* inherited_context() const noexcept { return root_->rare_.context; }

private:
    friend class promoted_child;
    friend class task_pointer;

    static constexpr std::uint8_t split = 1;        // the children are of several lines
    static constexpr std::uint8_t known_parent = 2; // it has a state: a root
    static constexpr std::uint64_t over_bit = std::uint64_t{1} << 63; // the parent's wake-up is claimed
    static constexpr std::uint64_t one_heir = std::uint64_t{1} << 32; // a node below that outlives the parent's wait there

    fork_node(forked_child& parent, std::uint32_t count, fork_shape const& shape) noexcept;                // below another node
    fork_node(scheduler& home, task_state& parent, std::uint32_t count, fork_shape const& shape) noexcept; // a root
    ~fork_node();

    static constexpr std::size_t header_size() noexcept;
    [[nodiscard]] forked_child& child(std::size_t i) noexcept { return *static_cast<forked_child*>(place(i)); }
    [[nodiscard]] std::uint32_t index_of(forked_child& c) noexcept;
    [[nodiscard]] scheduler& home() const noexcept { return *root_->rare_.home; }
    /// Whether nobody has asked this gather's root to stop since the gather began. Relaxed: a request that is not visible yet has not come
    /// yet. The root counts every request, those to orphans too; and it is there as long as any of its children, or heirs.
    [[nodiscard]] bool undisturbed() const noexcept { return root_->rare_.cancels.load(std::memory_order_relaxed) == baseline_; }
    /// Whether its children ran one after the other without a theft, a suspension or a failure, and its parent is such a child too.
    [[nodiscard]] bool plain() const noexcept { return marks() == 0 && culprit_ == nullptr; }
    // Relaxed: it is written by whoever has the rest, which comes through a deque, and not after the last child has begun. A parent that
    // leaves early may see it before or after a theft: it is not plain either way, having a culprit or being known.
    [[nodiscard]] std::uint8_t marks() const noexcept { return marks_.load(std::memory_order_relaxed); }
    void mark_split() noexcept { marks_.store(marks() | split, std::memory_order_relaxed); }
    [[nodiscard]] static constexpr std::size_t size_in_memory(std::size_t count, fork_shape const& shape) noexcept {
        return header_size() + count * shape.stride;
    }
    template <bool First>
    [[nodiscard]] std::coroutine_handle<> run_next(thread_context& here, fork_lane& lane, forked_child& c) noexcept;
    [[nodiscard]] forked_child& take_next(thread_context& here) noexcept;
    [[nodiscard]] static std::coroutine_handle<> child_done_slowly(forked_child& c, thread_context& here) noexcept;
    [[nodiscard]] static std::coroutine_handle<> continue_line(forked_child& c, thread_context& here) noexcept;
    [[nodiscard]] forked_child& next_of_line(forked_child& c, thread_context& here) noexcept;
    [[nodiscard]] static std::coroutine_handle<> after_slow_push(thread_context& here, fork_node& n, forked_child& c) noexcept;
    [[nodiscard]] static std::coroutine_handle<> after_call_for_help(thread_context& here, forked_child& c) noexcept;
    void finish_wait_slowly();
    void leave_slowly() noexcept;
    [[nodiscard]] bool may_start(forked_child& c) noexcept;
    void refuse(forked_child& c) noexcept;
    void settle(forked_child& c) noexcept;
    [[nodiscard]] fork_node& authority() noexcept;
    [[nodiscard]] std::uint32_t requests() noexcept;
    [[nodiscard]] std::uint32_t requests_since(std::uint32_t seen) noexcept;
    [[nodiscard]] std::exception_ptr cancellation() noexcept;
    [[noreturn]] void throw_cancellation();
    [[noreturn]] void throw_failure();
    [[nodiscard]] std::coroutine_handle<> end_line(forked_child& c, bool failed, thread_context& here) noexcept;
    [[nodiscard]] std::coroutine_handle<> resume_parent(thread_context& here) noexcept;
    void keep_orphans() noexcept;
    void release(std::uint64_t units) noexcept;
    void free(bool as_is) noexcept;
    void destroy_last() noexcept;
    static void run_rest(ready& r) noexcept;
    [[nodiscard]] suspension::verdict request_cancel(cancel_walk& walk) noexcept;
    void describe(wait_description& d) const noexcept;
    /// The parent's turn, when it is not taken at once; the node itself may be queued as the rest of its children.
    struct parent_turn final : ready {
        explicit parent_turn(fork_node& n) noexcept : ready(&run_parent), node(&n) {}
        static void run_parent(ready& r) noexcept;
        fork_node* node;
    };
    /// What a parent with a state waits for, and what stands for children that were left.
    struct node_suspension final : suspension {
        explicit node_suspension(fork_node& n) noexcept : node(&n) {}
        verdict request_cancel(cancel_walk& walk) noexcept override { return node->request_cancel(walk); }
        void describe(wait_description& d) const noexcept override { node->describe(d); }
        fork_node* node;
    };

    // Children that are not done, one for the parent, heirs, and the over bit.
    std::atomic<std::uint64_t> left_;
    fork_shape const* const shape_;
    std::uint32_t const count_;
    std::uint32_t size_; // count_, but for a gather that could not be filled
    forked_child* next_; // the first child that is not started; belongs to whoever has the rest
    task_pointer parent_;
    std::coroutine_handle<> continuation_;
    fork_node* root_; // the nearest one above whose parent has a state: requests to cancel arrive there
    forked_child* culprit_ = nullptr;
    std::uint32_t baseline_; // the root's requests that came before this gather
    std::atomic<std::uint8_t> marks_; // `split` and `known_parent`
    bool whole_ = false;    // all children are done, and nobody but the parent knows of the node now
    bool heir_ = false;     // it keeps the root
    bool orphaned_ = false; // its parent has left it; under the root's lock
    union {
        parent_turn turn_; // rarely made
    };
    // What a root has, and a node that its parent has left. Under the root's lock, except that `cancels` is read without.
    struct rare {
        rare(fork_node& n, scheduler& s) noexcept : home(&s), waiting(n) {}

        std::atomic<std::uint32_t> cancels{0}; // requests to stop; a root counts all of them, an orphaned node those to itself
        spin_lock mutex;                       // of the root, and of each keeper
        std::uint32_t orphaned_at = 0;         // the root's, by the time that the parent left
        scheduler* const home;
        promoted_child* promoted = nullptr;
        std::string* message = nullptr; // of the last request
        orphan_keeper* keeper = nullptr;
        context_block* context = nullptr;
        node_suspension waiting;
    };
    [[nodiscard]] bool has_rare() const noexcept { return root_ == this || orphaned_; }
    union {
        rare rare_;
    };
};

inline forked_child::forked_child(fork_node& n, forked_child* following, std::coroutine_handle<> f) noexcept
    : node(&n), next(following), frame(f), cancels_seen(n.baseline()) {}

constexpr std::size_t fork_node::header_size() noexcept {
    return (sizeof(fork_node) + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
}

inline fork_node::fork_node(forked_child& parent, std::uint32_t count, fork_shape const& shape) noexcept
    : ready(&run_rest), left_(std::uint64_t{count} + 1), shape_(&shape), count_(count), size_(count),
      next_(static_cast<forked_child*>(place(0, shape))), parent_(parent), root_(parent.node->root_), baseline_(parent.cancels_seen),
      marks_(0) {}

// The common path of a gather is inline: a gather in a child that nobody knows, and nobody steals, suspends, cancels or fails. What it calls
// instead, it calls last, so that it needs to save no register.

[[gnu::always_inline]] inline fork_node& fork_node::create(task_pointer parent, std::uint32_t count, fork_shape const& shape) {
    return *new (allocate_frame(size_in_memory(count, shape))) fork_node(parent.as_child(), count, shape);
}

// By whoever has the rest: goes on with its first child, `c`, and leaves what is left of it to be stolen. A sleeper is called to each gather
// once; whoever is needed later comes by the watcher.
template <bool First>
[[gnu::always_inline]] inline std::coroutine_handle<> fork_node::run_next(thread_context& here, fork_lane& lane, forked_child& c) noexcept {
    here.current = c;
    if (c.next != nullptr) {
        next_ = c.next;
        if (!lane.deque.push_at_once(*this)) [[unlikely]]
            return after_slow_push(here, *this, c);
        if constexpr (First)
            if (lane.somebody_sleeps()) [[unlikely]]
                return after_call_for_help(here, c);
    }
    return c.frame;
}

[[gnu::always_inline]] inline std::coroutine_handle<> fork_node::start(thread_context& here, std::coroutine_handle<> continuation) {
    if (!undisturbed()) [[unlikely]]
        return start_slowly(here, continuation);
    continuation_ = continuation;
    return run_next<true>(here, *here.forks, *next_);
}

[[gnu::always_inline]] inline std::coroutine_handle<> fork_node::child_done(forked_child& c, thread_context& here) noexcept {
    fork_node& n = *c.node;
    if (c.state != nullptr) [[unlikely]]
        return child_done_slowly(c, here);
    // A child without a state has not suspended but in a gather, and is on a worker of its pool.
    fork_lane& lane = *here.forks;
    if (c.next != nullptr) {
        if (!n.undisturbed() || !lane.take_back(n)) [[unlikely]]
            return child_done_slowly(c, here);
        if ((n.marks() & split) != 0) [[unlikely]]
            return continue_line(c, here);
        return n.run_next<false>(here, lane, *c.next);
    }
    if (n.marks() != 0 || lane.turn_over()) [[unlikely]]
        return child_done_slowly(c, here);
    // Requests to stop: the parent looks for itself.
    here.current = n.parent_;
    return n.continuation_;
}

inline void fork_node::finish_wait() {
    if (!plain() || !undisturbed()) [[unlikely]]
        finish_wait_slowly();
}

inline void fork_node::leave(std::size_t count, fork_shape const& shape) noexcept {
    // There is nothing to destroy but results: nobody has left this node, and its children have no errors.
    if (shape.trivial && !shape.outcomes && plain()) [[likely]]
        release_frame(this, size_in_memory(count, shape));
    else
        leave_slowly();
}

} // namespace aya::inline v1::detail
