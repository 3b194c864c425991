// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <aya/io/address.hpp>

#include <string>

namespace aya::inline v1::io::detail {

/// The address of a socket or of its peer; empty if it has none.
[[nodiscard]] address address_of(int descriptor, bool peer) noexcept;
[[nodiscard]] address unix_address(std::string const& path);

} // namespace aya::inline v1::io::detail
