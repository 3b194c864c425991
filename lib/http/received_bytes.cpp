// SPDX-License-Identifier: Apache-2.0
// A file of its own: the kernel's header and the C library's, which Asio includes, cannot be had together.
#include "http/received_bytes.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace aya::inline v1::http::detail {

std::int64_t received_bytes(int socket) noexcept {
    tcp_info info{};
    socklen_t size = sizeof info;
    return ::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? static_cast<std::int64_t>(info.tcpi_bytes_received) : 0;
}

} // namespace aya::inline v1::http::detail
