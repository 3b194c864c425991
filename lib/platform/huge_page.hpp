// SPDX-License-Identifier: Apache-2.0
// Memory in the largest pages that the kernel gives without being configured for it.
#pragma once

#include <cstddef>
#include <span>

namespace aya::inline v1::detail {

inline constexpr std::size_t huge_page_size = std::size_t{2} * 1024 * 1024;

/// One page, aligned to its size; of small ones where the kernel has no large one to spare. Empty when there is no memory.
[[nodiscard]] std::span<std::byte> allocate_huge_page() noexcept;

} // namespace aya::inline v1::detail
