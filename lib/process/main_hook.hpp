// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace aya::inline v1::detail {

/// Whether main() has called process_pool_main(). Any thread.
[[nodiscard]] bool process_main_was_called() noexcept;

} // namespace aya::inline v1::detail
