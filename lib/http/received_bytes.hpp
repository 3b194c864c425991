// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace aya::inline v1::http::detail {

/// How many bytes have come through a TCP connection in its life; 0 for what is none.
[[nodiscard]] std::int64_t received_bytes(int socket) noexcept;

} // namespace aya::inline v1::http::detail
