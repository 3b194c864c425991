// SPDX-License-Identifier: Apache-2.0
// fork() copies one thread: a runtime's workers do not come along, and what they had locked stays locked.
#pragma once

#include <cstdint>

namespace aya::inline v1::detail {

/// Sees to it that every fork() from now on is counted, and that the child finds the frame memory whole. Once or more often.
void watch_forks();

/// Changes in the child of a fork().
[[nodiscard]] std::uint32_t fork_generation() noexcept;

} // namespace aya::inline v1::detail
