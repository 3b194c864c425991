// SPDX-License-Identifier: Apache-2.0
#include "task/context.hpp"

#include "executors/current_thread.hpp"

#include <aya/context.hpp>
#include <aya/detail/fork.hpp>
#include <aya/detail/scheduler.hpp>
#include <aya/detail/task_state.hpp>

#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <utility>

namespace aya::inline v1::detail {

namespace {

struct thread_values {
    context_block* block = nullptr;
    ~thread_values() {
        if (block != nullptr)
            release_context(*std::exchange(block, nullptr));
    }
};

[[gnu::noinline]] thread_values& own_values() noexcept {
    thread_local thread_values values;
    return values;
}

} // namespace

// Where the running code's block is: in its task, or else in its thread. Throws std::bad_alloc for a child that has no state yet.
context_block*& current_context() {
    thread_context const* const thread = current_thread;
    return thread != nullptr && thread->current ? thread->current->context_ : own_values().block;
}

// The same for who only reads: a child without a state has set nothing, so it has what its gather was awaited with.
static context_block* readable_context() noexcept {
    thread_context const* const thread = current_thread;
    if (thread != nullptr)
        if (forked_child const* const c = thread->current.child(); c != nullptr && c->state == nullptr)
            return c->node->inherited_context();
    return current_context();
}

// Nothing to lock where the block does not change.
static std::unique_lock<spin_lock> lock_entries(context_block& block) {
    return block.in_place ? std::unique_lock(block.mutex) : std::unique_lock<spin_lock>();
}

static context_block* copy_of(context_block* block, bool in_place) {
    auto copy = std::make_unique<context_block>(in_place);
    if (block != nullptr) {
        auto const hold = lock_entries(*block);
        copy->entries = block->entries;
    }
    return copy.release();
}

void share_context(context_block& block) noexcept {
    block.references.fetch_add(1, std::memory_order_relaxed); // whoever adds one already holds one
}

void release_context(context_block& block) noexcept {
    // Release: what this holder read is read before the next one writes. Acquire: the last one, who frees it, sees all that.
    if (block.references.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete &block;
}

context_block* share_current_context() noexcept {
    context_block* const block = readable_context();
    if (block == nullptr)
        return nullptr;
    if (block->in_place) [[unlikely]] {
        try {
            return copy_of(block, false);
        } catch (std::bad_alloc const&) {
        }
    }
    share_context(*block);
    return block;
}

context_block* new_context(context_block* like) { return copy_of(like, true); }

context_block* copy_current_context() { return copy_of(readable_context(), true); }

void run_in_context(task_state& t, context const& c) noexcept {
    context_block& block = context_access::block(c);
    share_context(block);
    if (context_block* const before = std::exchange(t.context_, &block))
        release_context(*before);
}

context_visit::context_visit(context_block& block) : place_(&current_context()), outer_(std::exchange(*place_, &block)) {
    share_context(block);
}

context_visit::~context_visit() { release_context(*std::exchange(*place_, outer_)); }

thread_context_scope::thread_context_scope(context_block* block) noexcept
    : outer_(std::exchange(own_values().block, block)) {}

thread_context_scope::~thread_context_scope() {
    context_block* const block = std::exchange(own_values().block, outer_);
    if (block != nullptr)
        release_context(*block);
}

context_value find_context_value(std::uint64_t variable) noexcept {
    context_block* const block = readable_context();
    if (block == nullptr)
        return nullptr;
    auto const hold = lock_entries(*block);
    for (context_block::entry const& e : block->entries)
        if (e.variable == variable)
            return e.value;
    return nullptr;
}

context_value exchange_context_value(std::uint64_t variable, context_value value) {
    context_block*& here = current_context();
    // Acquire: pairs with the release of those who held it too; their reads are over.
    if (here == nullptr || (!here->in_place && here->references.load(std::memory_order_acquire) != 1)) {
        context_block* const shared = std::exchange(here, copy_of(here, false));
        if (shared != nullptr)
            release_context(*shared); // may free it: the others have let go meanwhile
    }
    auto const hold = lock_entries(*here);
    auto& entries = here->entries;
    for (auto& e : entries) {
        if (e.variable != variable)
            continue;
        context_value old = std::move(e.value);
        if (value != nullptr) {
            e.value = std::move(value);
        } else {
            if (&e != &entries.back())
                e = std::move(entries.back());
            entries.pop_back();
        }
        return old;
    }
    if (value != nullptr)
        entries.push_back({variable, std::move(value)});
    return nullptr;
}

std::uint64_t context_identity() {
    thread_context const* const thread = this_thread();
    if (thread != nullptr && thread->current)
        return thread->current->id();
    return reinterpret_cast<std::uintptr_t>(&own_values()); // no task's id is that large
}

std::uint64_t new_context_variable() noexcept {
    static std::atomic<std::uint64_t> next{0};
    return next.fetch_add(1, std::memory_order_relaxed); // only uniqueness is needed
}

void throw_no_context_value() {
    throw std::out_of_range("aya::context_var::get: no value was set here, and there is no default");
}

} // namespace aya::inline v1::detail
