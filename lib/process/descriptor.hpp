// SPDX-License-Identifier: Apache-2.0
// The way of descriptors through a socket.
#pragma once

#include "platform/descriptor.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace aya::inline v1::detail {

/// std::system_error of errno.
[[noreturn]] void throw_errno(char const* what);

/// Most descriptors in one message.
inline constexpr std::size_t most_descriptors = 64;

/// Sends a byte, to wake the other side, and descriptors with it. False and errno when the socket does not take it.
[[nodiscard]] bool send_byte(int socket, std::span<int const> descriptors = {}, bool wait = false) noexcept;

enum class received {
    something,
    nothing,
    truncated, ///< descriptors are lost: this process may open no more
    end
};

/// Takes bytes that have come, and puts the descriptors that came with them behind `into`. All are close-on-exec. Throws std::bad_alloc.
[[nodiscard]] received receive_bytes(int socket, std::vector<unique_descriptor>& into, bool wait);

} // namespace aya::inline v1::detail
