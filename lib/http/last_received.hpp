// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <aya/time.hpp>

namespace aya::inline v1::http::detail {

/// When a byte last came on a TCP socket, as exactly as the kernel knows it: to some milliseconds. Long ago for other sockets.
[[nodiscard]] time_point last_received(int socket, time_point now) noexcept;

} // namespace aya::inline v1::http::detail
