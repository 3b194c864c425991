// SPDX-License-Identifier: Apache-2.0
// Debug mode where no runtime says whether it is on.
#pragma once

namespace aya::inline v1::detail {

/// Whether the environment asks for it: AYA_DEBUG is set, and neither empty nor 0.
[[nodiscard]] bool debug_environment() noexcept;

} // namespace aya::inline v1::detail
