// SPDX-License-Identifier: Apache-2.0
// UDP and Unix datagrams. This header includes no Boost.
#pragma once

#include <aya/io/address.hpp>
#include <aya/task.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace aya::inline v1::io {

namespace detail {
class datagram_core;
}

/// A datagram and where it came from.
struct datagram {
    datagram(std::string d, address a) : data(std::move(d)), from(a) {}
    std::string data;
    address from;
};

/// A socket for datagrams; copies refer to the same one. One task at a time may receive, and one at a time may send. Closed with the last copy,
/// which may outlive its runtime: it throws connection_aborted then. Throws invalid_state_error when it was moved from.
/// Stands for what asyncio.create_datagram_endpoint() gives to its protocol.
class datagram_socket {
public:
    explicit datagram_socket(std::shared_ptr<detail::datagram_core> c) noexcept : core_(std::move(c)) {}

    /// The next datagram; what is longer than 64 KiB is cut. Errors of the network, such as connection_refused for an earlier one that
    /// was sent, are thrown as std::system_error.
    [[nodiscard]] task<datagram> recvfrom();
    [[nodiscard]] task<> sendto(std::string data, address to);
    /// To the peer that the socket is connected to.
    [[nodiscard]] task<> send(std::string data);
    [[nodiscard]] address sockname() const;

private:
    [[nodiscard]] std::shared_ptr<detail::datagram_core> const& used() const;
    std::shared_ptr<detail::datagram_core> core_;
};

/// Bound to an address, of which an empty host is any and 0 a free port. Throws std::system_error.
[[nodiscard]] task<datagram_socket> bind_datagram(std::string host, unsigned short port);
/// Connected: sends to one address, and receives from there alone. To the first of a name's addresses that can be reached at all.
[[nodiscard]] task<datagram_socket> connect_datagram(std::string host, unsigned short port);

} // namespace aya::inline v1::io
