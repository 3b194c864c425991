// SPDX-License-Identifier: Apache-2.0
// A file of its own: the kernel's header and the C library's, which Asio includes, cannot be had together.
#include "http/last_received.hpp"

#include <chrono>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace aya::inline v1::http::detail {

time_point last_received(int socket, time_point now) noexcept {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return time_point::min();
    return now - std::chrono::milliseconds(info.tcpi_last_data_recv);
}

} // namespace aya::inline v1::http::detail
