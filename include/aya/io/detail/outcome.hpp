// SPDX-License-Identifier: Apache-2.0
// The result of an Asio operation, by its completion signature: how the error comes, and the values.
#pragma once

#include <aya/io/detail/operation.hpp>

#include <boost/system/error_code.hpp>

#include <concepts>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace aya::inline v1::io::detail {

template <class First>
inline constexpr bool begins_with_code = std::same_as<std::remove_cvref_t<First>, boost::system::error_code>;
template <class First>
inline constexpr bool begins_with_exception = std::same_as<std::remove_cvref_t<First>, std::exception_ptr>;

/// What an awaitable gives for the values that a handler gets.
template <class... Values>
struct packed {
    using type = std::tuple<Values...>;
    static type unpack(std::tuple<Values...>& values) { return std::move(values); }
};
template <class Value>
struct packed<Value> {
    using type = Value;
    static type unpack(std::tuple<Value>& value) { return std::get<0>(std::move(value)); }
};
template <>
struct packed<> {
    using type = void;
    static void unpack(std::tuple<>&) noexcept {}
};

inline bool is_aborted_tuple(auto const&) noexcept { return false; }
template <class... Rest>
bool is_aborted_tuple(std::tuple<boost::system::error_code, Rest...> const& values) noexcept {
    return is_aborted(std::get<0>(values));
}

/// Signature by signature: how the error comes, and the values.
template <class... Arguments>
struct outcome_of : packed<std::decay_t<Arguments>...> {
    std::optional<std::tuple<std::decay_t<Arguments>...>> values;

    outcome_of() = default;
    // Moved with its operation before that is awaited: there is no result yet.
    outcome_of(outcome_of&&) noexcept {}
    template <class... Given>
    void store(Given&&... given) {
        values.emplace(std::forward<Given>(given)...);
    }
    [[nodiscard]] bool aborted() const noexcept {
        if constexpr (sizeof...(Arguments) == 1)
            return values && is_aborted_tuple(std::get<0>(*values));
        return false;
    }
    void throw_failure() const {}
};
template <class Error, class... Arguments>
    requires(begins_with_code<Error> || begins_with_exception<Error>)
struct outcome_of<Error, Arguments...> : packed<std::decay_t<Arguments>...> {
    std::decay_t<Error> error{};
    std::optional<std::tuple<std::decay_t<Arguments>...>> values;

    outcome_of() = default;
    // Moved with its operation before that is awaited: there is no result yet.
    outcome_of(outcome_of&&) noexcept {}
    template <class... Given>
    void store(std::decay_t<Error> failed, Given&&... given) {
        error = std::move(failed);
        if (!error)
            values.emplace(std::forward<Given>(given)...);
    }
    [[nodiscard]] bool aborted() const noexcept { return is_aborted(error); }
    void throw_failure() const {
        if (!error)
            return;
        if constexpr (begins_with_code<Error>)
            throw_error(error);
        else
            std::rethrow_exception(error);
    }
};

/// For await(code): the values come in either case.
template <class Error, class... Arguments>
struct outcome_into : packed<std::decay_t<Arguments>...> {
    static_assert(begins_with_code<Error>, "aya::io::await(code): the operation gives no error_code");
    boost::system::error_code* code;
    int descriptor; // for task trees, as what follows
    char const* what;
    boost::system::error_code error;
    std::optional<std::tuple<std::decay_t<Arguments>...>> values;

    outcome_into(boost::system::error_code* c, int d, char const* w) noexcept : code(c), descriptor(d), what(w) {}
    // Moved with its operation before that is awaited: there is no result yet.
    outcome_into(outcome_into&& other) noexcept : code(other.code), descriptor(other.descriptor), what(other.what) {}
    template <class... Given>
    void store(boost::system::error_code failed, Given&&... given) {
        error = failed;
        values.emplace(std::forward<Given>(given)...);
    }
    [[nodiscard]] bool aborted() const noexcept { return is_aborted(error); }
    void throw_failure() const noexcept { *code = error; }
};

} // namespace aya::inline v1::io::detail
