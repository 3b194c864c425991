// SPDX-License-Identifier: Apache-2.0
// Debug mode where no runtime says whether it is on.
#pragma once

#include <string>

namespace aya::inline v1::detail {

/// Whether the environment asks for it: AYA_DEBUG is set, and neither empty nor 0.
[[nodiscard]] bool debug_environment() noexcept;
/// The same for AYA_INSPECT.
[[nodiscard]] bool inspection_environment() noexcept;
/// AYA_TRACE, with the process's number for %p, or empty. Where one process makes several runtimes, each but the first puts its number before the file's last dot.
[[nodiscard]] std::string trace_environment();

} // namespace aya::inline v1::detail
