// SPDX-License-Identifier: Apache-2.0
// Which version of the library the program is linked with.
#pragma once

#include <aya/config.hpp>

#include <string_view>

namespace aya::inline v1 {

/// The version of the library that the program runs with, such as "0.1.0". The headers that it was compiled with have theirs in
/// AYA_VERSION_MAJOR, AYA_VERSION_MINOR and AYA_VERSION_PATCH; where the two differ, one of them is not the one that was meant.
/// From any thread; the text is there for ever.
[[nodiscard]] std::string_view version() noexcept;

} // namespace aya::inline v1
