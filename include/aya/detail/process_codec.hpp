// SPDX-License-Identifier: Apache-2.0
// Values as bytes: cereal's functions over a pool's messages, and arrays of plain values in one piece.
#pragma once

#include <aya/detail/process_message.hpp>
#include <aya/process_errors.hpp>
#include <aya/shared_array.hpp>

#include <cereal/cereal.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/vector.hpp>

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace aya::inline v1::detail {

class process_writer : public cereal::OutputArchive<process_writer, cereal::AllowEmptyClassElision> {
public:
    explicit process_writer(message_output& o) : OutputArchive(this), output(o) {}
    message_output& output;
};

class process_reader : public cereal::InputArchive<process_reader, cereal::AllowEmptyClassElision> {
public:
    explicit process_reader(message_input& i) : InputArchive(this), input(i) {}
    message_input& input;
};

template <class T>
concept sent_by_us = is_sent_as_bytes<T> && !std::is_enum_v<T>; // cereal knows enumerations by itself
template <class T>
concept bytewise = is_sent_as_bytes<T> && !std::is_same_v<T, bool>;

template <class T>
    requires sent_by_us<T>
void CEREAL_SAVE_FUNCTION_NAME(process_writer& to, T const& value) {
    static_assert(std::is_trivially_copyable_v<T>, "aya::is_sent_as_bytes: T is not trivially copyable");
    to.output.append(&value, sizeof value);
}
template <class T>
    requires sent_by_us<T>
void CEREAL_LOAD_FUNCTION_NAME(process_reader& from, T& value) {
    static_assert(std::is_trivially_copyable_v<T>, "aya::is_sent_as_bytes: T is not trivially copyable");
    if constexpr (std::is_same_v<T, bool>) {
        unsigned char byte = 0;
        from.input.take(&byte, 1);
        value = byte != 0; // another bit pattern would be none of bool's
    } else {
        from.input.take(&value, sizeof value);
    }
}

template <class T>
void CEREAL_SAVE_FUNCTION_NAME(process_writer& to, cereal::SizeTag<T> const& t) {
    to.output.append_size(static_cast<std::size_t>(t.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(process_reader& from, cereal::SizeTag<T>& t) {
    t.size = from.input.take_size();
}
template <class T>
void CEREAL_SAVE_FUNCTION_NAME(process_writer& to, cereal::BinaryData<T> const& data) {
    to.output.append(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void CEREAL_LOAD_FUNCTION_NAME(process_reader& from, cereal::BinaryData<T>& data) {
    from.input.take(data.data, static_cast<std::size_t>(data.size));
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(process_writer& to, cereal::NameValuePair<T>& named) {
    to(named.value);
}
template <class T>
void CEREAL_SERIALIZE_FUNCTION_NAME(process_reader& from, cereal::NameValuePair<T>& named) {
    from(named.value);
}

template <class>
inline constexpr bool is_shared_array = false;
template <class T>
inline constexpr bool is_shared_array<shared_array<T>> = true;
template <class>
inline constexpr bool is_bytewise_vector = false;
template <class T>
inline constexpr bool is_bytewise_vector<std::vector<T>> = bytewise<T>;
template <class>
inline constexpr bool is_view = false;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;
template <class C, class Traits>
inline constexpr bool is_view<std::basic_string_view<C, Traits>> = true;

template <class P>
concept view_parameter = is_view<std::remove_cvref_t<P>>;
template <class P>
concept span_parameter = view_parameter<P> && requires { typename std::remove_cvref_t<P>::element_type; } &&
                         std::is_const_v<typename std::remove_cvref_t<P>::element_type>;

/// What stands for a parameter of type P while it travels and while the call lasts.
template <class P>
struct parameter_storage {
    using type = std::remove_cvref_t<P>;
};
template <view_parameter P>
struct parameter_storage<P> {
    static_assert(std::is_same_v<std::remove_cvref_t<P>, std::string_view>,
                  "aya::process_pool: of the views, a function in another process may take std::string_view and std::span<T const>");
    using type = std::string;
};
template <span_parameter P>
struct parameter_storage<P> {
    using type = shared_array<std::remove_const_t<typename std::remove_cvref_t<P>::element_type>>;
};
template <class P>
using stored_parameter = typename parameter_storage<P>::type;

/// A type that travels as itself.
template <class T>
concept transferable =
    is_shared_array<T> || is_bytewise_vector<T> ||
    (!std::is_pointer_v<T> && !is_view<T> && std::default_initializable<T> && std::movable<T> &&
     cereal::traits::is_output_serializable<T, process_writer>::value && cereal::traits::is_input_serializable<T, process_reader>::value);

template <class T>
void encode(process_writer& to, T const& value) {
    if constexpr (is_bytewise_vector<T>)
        to.output.append_array(value.data(), value.size() * sizeof(typename T::value_type));
    else
        to(value);
}
template <class T>
void encode(process_writer& to, shared_array<T>&& value) {
    to.output.append_block(std::move(value).take_block());
}

/// An argument for a parameter that is stored as T.
template <class T, class Argument>
void encode_as(process_writer& to, Argument&& argument) {
    if constexpr (is_shared_array<T> && !std::is_same_v<T, std::decay_t<Argument>>) {
        std::span<typename T::value_type const> const values(argument);
        to.output.append_array(values.data(), values.size_bytes());
    } else if constexpr (std::is_same_v<T, std::remove_cvref_t<Argument>>) {
        if constexpr (is_shared_array<T> && std::is_lvalue_reference_v<Argument>)
            to.output.append_array(argument.data(), argument.size() * sizeof(typename T::value_type));
        else if constexpr (is_shared_array<T>)
            encode(to, std::forward<Argument>(argument));
        else
            encode(to, argument);
    } else {
        T const converted(std::forward<Argument>(argument));
        encode(to, converted);
    }
}

template <class T>
T decode(process_reader& from) {
    if constexpr (is_shared_array<T>) {
        return T(from.input.take_block(sizeof(typename T::value_type)));
    } else if constexpr (is_bytewise_vector<T>) {
        std::span<std::byte const> const bytes = from.input.view_block(sizeof(typename T::value_type));
        T values(bytes.size() / sizeof(typename T::value_type));
        if (!bytes.empty())
            std::memcpy(values.data(), bytes.data(), bytes.size());
        return values;
    } else {
        T value{};
        from(value);
        return value;
    }
}

} // namespace aya::inline v1::detail

CEREAL_REGISTER_ARCHIVE(aya::detail::process_writer)
CEREAL_REGISTER_ARCHIVE(aya::detail::process_reader)
CEREAL_SETUP_ARCHIVE_TRAITS(aya::detail::process_reader, aya::detail::process_writer)
