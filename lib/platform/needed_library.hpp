// SPDX-License-Identifier: Apache-2.0
// Who else in this process uses a library that ours uses.
#pragma once

#include <string_view>

namespace aya::inline v1::detail {

/// Whether the program, or a library in it other than libaya itself, is linked with the library whose name begins so ("libtbb.so"). True where that
/// cannot be told apart, as in a program that has libaya inside. Takes the loader's lock, and reads some kilobytes.
[[nodiscard]] bool others_need(std::string_view library) noexcept;

} // namespace aya::inline v1::detail
