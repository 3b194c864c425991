// SPDX-License-Identifier: Apache-2.0
// Network addresses and names. This header includes no Boost.
#pragma once

#include <aya/task.hpp>

#include <string>
#include <system_error>
#include <vector>

#include <sys/socket.h>

namespace aya::inline v1::io {

/// Where a socket is, or its peer.
class address {
public:
    address() noexcept = default;
    address(sockaddr const* a, socklen_t size) noexcept;

    /// "127.0.0.1:80", "[::1]:80", a Unix socket's path, or nothing.
    [[nodiscard]] std::string text() const;
    [[nodiscard]] unsigned short port() const noexcept;
    [[nodiscard]] int family() const noexcept { return storage_.ss_family; }
    [[nodiscard]] sockaddr const* data() const noexcept { return reinterpret_cast<sockaddr const*>(&storage_); }
    [[nodiscard]] socklen_t size() const noexcept { return size_; }

private:
    sockaddr_storage storage_{};
    socklen_t size_ = 0;
};

/// Of the errors of getaddrinfo(3), "Name or service not known" for one.
[[nodiscard]] std::error_category const& resolver_category() noexcept;

/// The addresses of a host and a port (a number or a service's name), for TCP or UDP, in the system's order. An empty host: this one's. Names are looked up in the
/// blocking pool, numbers at once. Throws std::system_error, std::invalid_argument for a port above 65535. Mirrors loop.getaddrinfo().
[[nodiscard]] task<std::vector<address>> getaddrinfo(std::string host, std::string service, int family = AF_UNSPEC, bool passive = false);

/// An address of numbers, without a look-up. Throws std::system_error for anything else.
[[nodiscard]] address numeric_address(std::string const& host, unsigned short port);

} // namespace aya::inline v1::io
