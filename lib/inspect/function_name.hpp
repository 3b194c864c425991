// SPDX-License-Identifier: Apache-2.0
// What people call a coroutine, out of what a compiler calls it.
#pragma once

#include <source_location>
#include <string>
#include <string_view>

namespace aya::inline v1::detail {

/// `pretty` as std::source_location::function_name() gives it, by g++ or clang: the name alone, with neither result, parameters nor
/// anonymous namespaces; lambdas are `<lambda>`.
[[nodiscard]] std::string function_name(std::string_view pretty);

/// Without the steps upwards that a build directory adds.
[[nodiscard]] std::string_view file_name(std::string_view path) noexcept;

/// Whether a coroutine is a part of the library that nobody needs to see.
[[nodiscard]] bool is_plumbing(std::string_view function) noexcept;

} // namespace aya::inline v1::detail
