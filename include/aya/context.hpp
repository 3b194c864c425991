// SPDX-License-Identifier: Apache-2.0
// context: the values of context variables as an object, for tasks and callbacks that are to share them.
#pragma once

#include <aya/detail/context.hpp>

#include <concepts>
#include <functional>
#include <utility>

namespace aya::inline v1 {

/// Values of context variables (context_var<T>) that code can be run in. What is set there stays there: for the next run(), and for every task
/// that was made with `create_task({.context = &c}, f)`. Copies of a context object are the same context. Mirrors contextvars.Context, which
/// refuses to be entered twice at a time; here tasks on several workers may share one, and each get() and set() is atomic.
/// Thread safety: all of it. Lifetime: tasks and callbacks keep what they need. Cost of a variable in such a context: a lock.
class context {
public:
    /// Without any values.
    context() : block_(detail::new_context(nullptr)) {}
    context(context const& other) noexcept : block_(other.block_) { detail::share_context(*block_); }
    context& operator=(context const& other) noexcept {
        context copy(other);
        std::swap(block_, copy.block_);
        return *this;
    }
    ~context() { detail::release_context(*block_); }

    /// Another context with the same values. Mirrors Context.copy().
    [[nodiscard]] context copy() const { return context(detail::new_context(block_)); }

    /// Calls `f(args...)` here and now, with the values of this context. Mirrors Context.run().
    template <class F, class... Arguments>
        requires std::invocable<F, Arguments...>
    decltype(auto) run(F&& f, Arguments&&... arguments) const {
        detail::context_visit const visit(*block_);
        return std::invoke(std::forward<F>(f), std::forward<Arguments>(arguments)...);
    }

private:
    friend context copy_context();
    friend struct detail::context_access;
    explicit context(detail::context_block* block) noexcept : block_(block) {}

    detail::context_block* block_;
};

/// The values of the running task, or outside tasks of the calling thread, as a context of their own. Mirrors contextvars.copy_context().
[[nodiscard]] inline context copy_context() { return context(detail::copy_current_context()); }

/// A callable that calls `f` in `c`: `call_soon(in_context(c, f))`, `handle.add_done_callback(in_context(c, f))`. Without it, a callback has a
/// copy of the values that were there when it was added.
template <class F>
class in_context {
public:
    in_context(context c, F f) : context_(std::move(c)), function_(std::move(f)) {}

    template <class... Arguments>
        requires std::invocable<F&, Arguments...>
    decltype(auto) operator()(Arguments&&... arguments) {
        return context_.run(function_, std::forward<Arguments>(arguments)...);
    }

private:
    context context_;
    F function_;
};

namespace detail {
struct context_access {
    static context_block& block(context const& c) noexcept { return *c.block_; }
};
} // namespace detail

} // namespace aya::inline v1
