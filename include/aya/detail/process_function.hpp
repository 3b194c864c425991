// SPDX-License-Identifier: Apache-2.0
// Functions that another process can call. Both run the same program, so what the compiler calls a function, together with its place in the
// program or shared library, is its name; the place tells functions of one name in several unnamed namespaces apart.
#pragma once

#include <aya/detail/process_codec.hpp>
#include <aya/detail/process_message.hpp>

#include <cstdint>
#include <exception>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace aya::inline v1::detail {

/// A registered function. Lives in static storage.
class process_function {
public:
    using invoke_type = void (*)(process_message& arguments, process_message& result);

    /// Registers `target`, before main() or when a shared library is loaded.
    process_function(std::string_view signature, invoke_type invoke, void (*target)()) noexcept;
    ~process_function();
    process_function(process_function const&) = delete;
    process_function& operator=(process_function const&) = delete;

    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    [[nodiscard]] std::string_view name() const noexcept;
    /// Decodes, calls, encodes. Throws what these do.
    void invoke(process_message& arguments, process_message& result) const { invoke_(arguments, result); }

    /// Null when there is none.
    [[nodiscard]] static process_function const* find(std::uint64_t id) noexcept;

private:
    std::string_view signature_;
    invoke_type invoke_;
    std::uint64_t id_;
    process_function* next_ = nullptr;
};

template <class T, T F>
constexpr std::string_view signature_of() noexcept {
    return __PRETTY_FUNCTION__;
}

template <class Stored, class Parameter>
decltype(auto) as_parameter(Stored& stored) noexcept {
    if constexpr (span_parameter<Parameter>)
        return std::remove_cvref_t<Parameter>(stored.data(), stored.size());
    else if constexpr (view_parameter<Parameter>)
        return std::string_view(stored);
    else if constexpr (std::is_lvalue_reference_v<Parameter>)
        return static_cast<Stored const&>(stored);
    else
        return std::move(stored);
}

/// What the serialisation of a call's two ends can throw in the child, told apart from what the function throws.
class call_failure {
public:
    explicit call_failure(std::exception_ptr e) noexcept : error(std::move(e)) {}
    std::exception_ptr error;
};
template <class Step>
auto serialize_or_fail(Step step) {
    try {
        return step();
    } catch (...) {
        throw call_failure(std::current_exception());
    }
}

template <class>
struct process_signature;
template <class R, class... Parameters>
struct process_signature<R (*)(Parameters...)> {
    using result = R;
    using stored_arguments = std::tuple<stored_parameter<Parameters>...>;

    static constexpr bool parameters_travel = (transferable<stored_parameter<Parameters>> && ...);
    static constexpr bool no_references_out =
        ((!std::is_lvalue_reference_v<Parameters> || std::is_const_v<std::remove_reference_t<Parameters>>)&&...);
    static constexpr bool result_travels = std::is_void_v<R> || (std::is_object_v<R> && transferable<R>);

    template <class... Arguments>
    static constexpr bool accepts = [] {
        if constexpr (sizeof...(Arguments) != sizeof...(Parameters))
            return false;
        else
            return ((std::is_convertible_v<Arguments&&, Parameters> ||
                     std::is_constructible_v<stored_parameter<Parameters>, Arguments&&>)&&...);
    }();

    template <class... Arguments>
    static void encode_arguments(process_message& into, bool use_blocks, Arguments&&... arguments) {
        message_output output(into, use_blocks);
        process_writer writer(output);
        (encode_as<stored_parameter<Parameters>>(writer, std::forward<Arguments>(arguments)), ...);
        into.seal();
    }

    template <R (*F)(Parameters...)>
    static void invoke(process_message& arguments, process_message& into) {
        stored_arguments stored = serialize_or_fail([&] {
            message_input input(arguments);
            [[maybe_unused]] process_reader reader(input);
            stored_arguments decoded{decode<stored_parameter<Parameters>>(reader)...}; // braces: from left to right
            input.finish();
            return decoded;
        });
        auto const call = [&]() -> R {
            return std::apply(
                [](auto&... s) -> R { return F(as_parameter<std::remove_reference_t<decltype(s)>, Parameters>(s)...); }, stored);
        };
        if constexpr (std::is_void_v<R>) {
            call();
        } else {
            R value = call();
            serialize_or_fail([&] {
                message_output output(into);
                process_writer writer(output);
                encode(writer, std::move(value));
                into.seal();
            });
        }
    }
};
template <class R, class... Parameters>
struct process_signature<R (*)(Parameters...) noexcept> : process_signature<R (*)(Parameters...)> {};

template <auto F>
struct registered {
    using signature = process_signature<decltype(F)>;
    static_assert(signature::parameters_travel,
                  "aya::process_pool: a parameter cannot be sent to another process. It must be a value that cereal can save and load "
                  "(include its <cereal/types/...>), a std::string_view, a std::span<T const>, or an aya::shared_array<T>");
    static_assert(signature::no_references_out, "aya::process_pool: a function in another process cannot take a reference to non-const");
    static_assert(signature::result_travels,
                  "aya::process_pool: the result cannot be sent to another process. It must be void or a value that cereal can save and "
                  "load, or an aya::shared_array<T>");
    using result = typename signature::result;
    static inline process_function function{
        signature_of<decltype(F), F>(), &signature::template invoke<F>, reinterpret_cast<void (*)()>(F)};
};

/// Decodes a result. Throws serialization_error and what T's own functions throw.
template <class R>
R decode_result(process_message& m) {
    message_input input(m);
    if constexpr (std::is_void_v<R>) {
        input.finish();
    } else {
        process_reader reader(input);
        R value = decode<R>(reader);
        input.finish();
        return value;
    }
}

} // namespace aya::inline v1::detail
