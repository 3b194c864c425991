// SPDX-License-Identifier: Apache-2.0
#include <aya/io/datagram.hpp>

#include "executors/runtime_core.hpp"
#include "io/connection.hpp"
#include "io/driver.hpp"

#include <aya/io/await.hpp>

#include <boost/asio/generic/datagram_protocol.hpp>

#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include <sys/socket.h>

namespace aya::inline v1::io {

namespace detail {

using protocol = boost::asio::generic::datagram_protocol;

class datagram_core {
public:
    datagram_core(std::shared_ptr<aya::detail::driver_context> where, int family) : context(std::move(where)), socket(*context) {
        unique_descriptor descriptor(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!descriptor)
            throw_errno(errno, "aya::io::datagram_socket: a socket");
        hand_over(std::move(descriptor), socket, protocol(family, 0));
    }
    /// For an operation.
    boost::asio::generic::datagram_protocol::socket& open_socket() {
        if (context->ended())
            throw_errno(ECONNABORTED, "aya::io::datagram_socket: its runtime has ended");
        return socket;
    }
    std::shared_ptr<aya::detail::driver_context> const context; // stays when the runtime goes first
    boost::asio::generic::datagram_protocol::socket socket;
};

namespace {

constexpr std::size_t longest = 64 * 1024;

void require(boost::system::error_code const& failed, char const* what) {
    if (failed)
        throw_errno(failed.value(), what);
}

protocol::endpoint endpoint_of(address const& a) { return {a.data(), a.size()}; }

task<datagram> receive(std::shared_ptr<datagram_core> core) {
    std::string data(longest, '\0');
    protocol::endpoint from;
    boost::system::error_code failed;
    std::size_t const n = co_await core->open_socket().async_receive_from(boost::asio::buffer(data), from, await(failed, core->socket.native_handle()));
    require(failed, "aya::io::datagram_socket::recvfrom");
    data.resize(n);
    data.shrink_to_fit();
    co_return datagram(std::move(data), address(from.data(), static_cast<socklen_t>(from.size())));
}

task<> send_to(std::shared_ptr<datagram_core> core, std::string data, address to) {
    boost::system::error_code failed;
    protocol::endpoint const there = endpoint_of(to);
    co_await core->open_socket().async_send_to(boost::asio::buffer(data), there, await(failed, core->socket.native_handle()));
    require(failed, "aya::io::datagram_socket::sendto");
}

task<> send_to_peer(std::shared_ptr<datagram_core> core, std::string data) {
    boost::system::error_code failed;
    co_await core->open_socket().async_send(boost::asio::buffer(data), await(failed, core->socket.native_handle()));
    require(failed, "aya::io::datagram_socket::send");
}

// Bound to the address, or connected to it, which does not wait.
std::shared_ptr<datagram_core> open_at(address const& at, bool bound) {
    auto& driver = aya::detail::asio_driver::of(aya::detail::this_scheduler("aya::io::datagram_socket").owner());
    auto core = std::make_shared<datagram_core>(driver.shared_context(), at.family());
    boost::system::error_code failed;
    if (bound)
        core->socket.bind(endpoint_of(at), failed);
    else
        core->socket.connect(endpoint_of(at), failed);
    if (failed)
        throw std::system_error(failed.value(), std::generic_category(), "aya::io::datagram_socket: " + at.text());
    return core;
}

task<datagram_socket> open(std::string host, unsigned short port, bool bound) {
    auto const addresses = co_await io::getaddrinfo(std::move(host), std::to_string(port), AF_UNSPEC, bound);
    std::exception_ptr failure;
    for (address const& at : addresses) {
        try {
            co_return datagram_socket(open_at(at, bound));
        } catch (std::system_error const&) {
            failure = std::current_exception();
        }
    }
    std::rethrow_exception(failure); // there is one address at least
}

} // namespace

} // namespace detail

std::shared_ptr<detail::datagram_core> const& datagram_socket::used() const {
    if (core_ == nullptr)
        aya::detail::throw_invalid_state("aya::io::datagram_socket: it was moved from");
    return core_;
}
task<datagram> datagram_socket::recvfrom() { return detail::receive(used()); }
task<> datagram_socket::sendto(std::string data, address to) { return detail::send_to(used(), std::move(data), to); }
task<> datagram_socket::send(std::string data) { return detail::send_to_peer(used(), std::move(data)); }
address datagram_socket::sockname() const { return detail::address_of(used()->socket.native_handle(), false); }

task<datagram_socket> bind_datagram(std::string host, unsigned short port) { return detail::open(std::move(host), port, true); }
task<datagram_socket> connect_datagram(std::string host, unsigned short port) { return detail::open(std::move(host), port, false); }

} // namespace aya::inline v1::io
