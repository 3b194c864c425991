// SPDX-License-Identifier: Apache-2.0
// What an Asio operation is called in a task tree: "I/O: receive".
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace aya::inline v1::io::detail {

/// Boost calls what starts an operation `...::initiate_async_receive`, or `..._move_accept`; of others nothing is known, and the view is empty.
template <class Initiation>
consteval std::string_view operation_word() {
    std::string_view const whole = __PRETTY_FUNCTION__;
    std::string_view const before = "initiate_async_";
    std::size_t const at = whole.find(before);
    if (at == std::string_view::npos)
        return {};
    std::string_view word = whole.substr(at + before.size());
    if (std::string_view const move = "move_"; word.starts_with(move))
        word.remove_prefix(move.size());
    return word.substr(0, word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789"));
}

template <class Initiation>
consteval auto make_operation_name() {
    constexpr std::string_view word = operation_word<Initiation>();
    std::string_view const begin = word.empty() ? "I/O" : "I/O: ";
    std::array<char, word.size() + 6> name{};
    std::size_t n = 0;
    for (char const c : begin)
        name[n++] = c;
    for (char const c : word)
        name[n++] = c;
    return name;
}

/// Ends with a zero.
template <class Initiation>
inline constexpr auto operation_name = make_operation_name<Initiation>();

} // namespace aya::inline v1::io::detail
