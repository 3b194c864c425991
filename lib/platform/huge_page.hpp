// SPDX-License-Identifier: Apache-2.0
// Memory in pieces that the kernel can make huge pages of.
#pragma once

#include <cstddef>
#include <span>

namespace aya::inline v1::detail {

inline constexpr std::size_t huge_page_size = std::size_t{2} * 1024 * 1024;

/// So much memory, aligned to its size, and there already: in small pages, until the kernel puts them together in the background. Empty when there is
/// none.
[[nodiscard]] std::span<std::byte> allocate_huge_page() noexcept;

} // namespace aya::inline v1::detail
