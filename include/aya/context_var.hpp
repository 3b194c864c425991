// SPDX-License-Identifier: Apache-2.0
// context_var<T>: a value that belongs to a task and to the tasks it starts.
#pragma once

#include <aya/detail/context.hpp>
#include <aya/errors.hpp>

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

/// A variable with a value of its own in every task. A new task begins with the values of the one that made it (create_task(), gather(),
/// a task group); what either changes later, the other does not see. A coroutine that is awaited directly shares its caller's
/// values. to_thread() gives its call a copy, to_cpu() does not. Outside tasks every thread has values of its own, which tasks that it
/// starts inherit. Mirrors contextvars.ContextVar.
///
///     aya::context_var<std::string> request_id("none"); // usually global
///     auto before = request_id.set("42");
///     co_await handle();          // request_id.get() == "42", in there and in the tasks it starts
///     request_id.reset(before);
///
/// Thread safety: all of it. Lifetime: a value lives until no task has it any more; a task has its values until its last handle goes.
/// Cost: nothing where no variable is set, else one counter a new task; get() searches the few variables that are set, and
/// copies; the first set() after a task was started copies the list of them.
template <class T>
    requires std::copy_constructible<T> && std::is_object_v<T>
class context_var {
public:
    /// What a variable was before a set(), for reset().
    class token {
    public:
        /// What it was moved from counts as used.
        token(token&& other) noexcept
            : variable_(other.variable_), context_(other.context_), old_(std::move(other.old_)), used_(std::exchange(other.used_, true)) {}
        token& operator=(token&& other) noexcept {
            if (this != &other) {
                variable_ = other.variable_;
                context_ = other.context_;
                old_ = std::move(other.old_);
                used_ = std::exchange(other.used_, true);
            }
            return *this;
        }
        /// The value that was replaced, if there was one.
        [[nodiscard]] std::optional<T> old_value() const {
            return old_ ? std::optional<T>(*static_cast<T const*>(old_.get())) : std::nullopt;
        }

    private:
        friend context_var;
        token(std::uint64_t variable, std::uint64_t context, detail::context_value old) noexcept
            : variable_(variable), context_(context), old_(std::move(old)) {}

        std::uint64_t variable_;
        std::uint64_t context_;
        detail::context_value old_;
        bool used_ = false;
    };

    /// Without a default, get() throws where nothing was set.
    context_var() : variable_(detail::new_context_variable()) {}
    explicit context_var(T default_value)
        : variable_(detail::new_context_variable()), default_(std::move(default_value)) {}
    context_var(context_var const&) = delete;
    context_var& operator=(context_var const&) = delete;

    /// The value here, or else the default. Throws std::out_of_range when there is neither.
    [[nodiscard]] T get() const {
        if (auto const value = find())
            return *static_cast<T const*>(value.get());
        if (!default_)
            detail::throw_no_context_value();
        return *default_;
    }
    /// The value here, or else `otherwise`.
    [[nodiscard]] T get(T otherwise) const {
        auto const value = find();
        return value == nullptr ? std::move(otherwise) : T(*static_cast<T const*>(value.get()));
    }

    /// Sets the value here.
    token set(T value) {
        auto shared = std::make_shared<T const>(std::move(value));
        detail::context_value old = detail::exchange_context_value(variable_, std::move(shared));
        return token(variable_, detail::context_identity(), std::move(old));
    }

    /// Undoes the set() that gave `t`. Throws invalid_state_error when it was undone before, std::invalid_argument when `t` is of
    /// another variable or of another task.
    void reset(token& t) {
        if (t.used_)
            detail::throw_invalid_state("aya::context_var::reset: the token was used already");
        if (t.variable_ != variable_)
            detail::throw_invalid_argument("aya::context_var::reset: the token belongs to another variable");
        if (t.context_ != detail::context_identity())
            detail::throw_invalid_argument("aya::context_var::reset: the token belongs to another task or thread");
        (void)detail::exchange_context_value(variable_, t.old_);
        t.used_ = true;
    }
    void reset(token&& t) { reset(t); }

private:
    detail::context_value find() const noexcept { return detail::find_context_value(variable_); }

    std::uint64_t variable_;
    std::optional<T> default_;
};

} // namespace aya::inline v1
