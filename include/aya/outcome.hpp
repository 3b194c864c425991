// SPDX-License-Identifier: Apache-2.0
// outcome<T>: how a task ended, as a value.
#pragma once

#include <aya/detail/promise.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <type_traits>
#include <utility>
#include <variant>

namespace aya::inline v1 {

/// Stands for void where a value is needed: in the tuple of gather(), for a task<void>.
using unit = std::monostate;

namespace detail {

template <class T>
struct stored_result {
    using type = T;
};
template <>
struct stored_result<void> {
    using type = unit;
};
template <class T>
struct stored_result<T&> {
    using type = std::reference_wrapper<T>;
};

} // namespace detail

/// A task's result or its exception. What gather(return_exceptions, ...) gives for each task.
template <class T>
class outcome {
public:
    /// T; unit for void, a std::reference_wrapper for a reference.
    using value_type = typename detail::stored_result<T>::type;

    outcome() = default;
    explicit outcome(value_type value) : state_(std::in_place_index<0>, std::move(value)) {}
    explicit outcome(std::exception_ptr error)
        requires(!std::same_as<value_type, std::exception_ptr>)
        : state_(std::in_place_index<1>, std::move(error)) {}
    /// The same, also for a T that is itself a std::exception_ptr.
    static outcome from_exception(std::exception_ptr error) { return outcome(std::in_place_index<1>, std::move(error)); }

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
    outcome(std::in_place_index_t<1> which, std::exception_ptr&& error) : state_(which, std::move(error)) {}

    void check() const {
        if (!has_value())
            std::rethrow_exception(std::get<1>(state_));
    }

    std::variant<value_type, std::exception_ptr> state_;
};

} // namespace aya::inline v1
