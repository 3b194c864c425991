// SPDX-License-Identifier: Apache-2.0
// outcome<T>: how a task ended, as a value.
#pragma once

#include <aya/detail/promise.hpp>

#include <exception>
#include <type_traits>
#include <utility>
#include <variant>

namespace aya::inline v1 {

/// Stands for void where a value is needed: in the tuple of gather(), for a task<void>.
using unit = std::monostate;

/// A task's result or its exception. What gather(return_exceptions, ...) gives for each task.
template <class T>
class outcome {
public:
    using value_type = std::conditional_t<std::is_void_v<T>, unit, T>;

    outcome() = default;
    explicit outcome(value_type value) : state_(std::in_place_index<0>, std::move(value)) {}
    explicit outcome(std::exception_ptr error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
    /// True when the task ended by cancellation.
    [[nodiscard]] bool cancelled() const noexcept {
        return !has_value() && detail::classify(std::get<1>(state_)) == detail::ending::cancelled;
    }

    /// The result. Throws the task's exception when there is none.
    [[nodiscard]] value_type& value() & { return check(), std::get<0>(state_); }
    [[nodiscard]] value_type const& value() const& { return check(), std::get<0>(state_); }
    [[nodiscard]] value_type&& value() && { return check(), std::get<0>(std::move(state_)); }

    /// The exception; null when there is a result.
    [[nodiscard]] std::exception_ptr exception() const noexcept {
        return has_value() ? std::exception_ptr() : std::get<1>(state_);
    }

private:
    void check() const {
        if (!has_value())
            std::rethrow_exception(std::get<1>(state_));
    }

    std::variant<value_type, std::exception_ptr> state_;
};

} // namespace aya::inline v1
