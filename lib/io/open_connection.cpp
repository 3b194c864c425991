// SPDX-License-Identifier: Apache-2.0
#include "executors/runtime_core.hpp"
#include "io/address.hpp"
#include "io/connection.hpp"

#include <aya/io/stream.hpp>

#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace aya::inline v1::io {

namespace detail {

std::shared_ptr<connection> new_connection(unique_descriptor descriptor, connection::kind k, std::size_t limit) {
    auto& driver = aya::detail::asio_driver::of(aya::detail::this_scheduler("aya::io").owner());
    return std::make_shared<connection>(driver.shared_context(), std::move(descriptor), k, limit);
}

void send_at_once(int descriptor) noexcept {
    int const on = 1;
    (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

namespace {

using shared_context = std::shared_ptr<ssl_context::state>;

task<std::shared_ptr<connection>> connect(address to, std::size_t limit) {
    unique_descriptor descriptor(::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!descriptor)
        throw_errno(errno, "aya::io::open_connection: a socket");
    if (to.family() != AF_UNIX)
        send_at_once(descriptor.get());
    auto c = new_connection(std::move(descriptor), connection::kind::socket, limit);
    co_await c->connect(to);
    co_return c;
}

/// What is left of the options when the call has returned: they refer to things of the caller's.
struct tls_options {
    explicit tls_options(open_options const& o)
        : context(o.ssl == nullptr ? nullptr : o.ssl->shared()), server_hostname(o.server_hostname), handshake_timeout(o.ssl_handshake_timeout) {}
    shared_context context;
    std::string server_hostname;
    duration handshake_timeout;
};

task<stream_pair> pair_of(std::shared_ptr<connection> c, tls_options tls) {
    if (tls.context != nullptr)
        co_await connection::start_tls(c, std::move(tls.context), false, std::move(tls.server_hostname), tls.handshake_timeout);
    co_return stream_pair(stream_reader(c), stream_writer(c));
}

task<stream_pair> open_tcp(std::string host, std::string service, std::size_t limit, tls_options tls) {
    std::vector<address> addresses = co_await io::getaddrinfo(host, std::move(service));
    std::exception_ptr failure;
    std::shared_ptr<connection> c;
    for (address const& a : addresses) {
        try {
            c = co_await connect(a, limit);
            break;
        } catch (std::system_error const&) {
            failure = std::current_exception();
        }
    }
    if (c == nullptr)
        std::rethrow_exception(failure); // there is one address at least
    if (tls.server_hostname.empty())
        tls.server_hostname = std::move(host);
    co_return co_await pair_of(std::move(c), std::move(tls));
}

task<stream_pair> open_unix(std::string path, std::size_t limit, tls_options tls) {
    auto c = co_await connect(unix_address(path), limit);
    co_return co_await pair_of(std::move(c), std::move(tls));
}

} // namespace

} // namespace detail

task<stream_pair> open_connection(std::string host, std::string service, open_options options) {
    return detail::open_tcp(std::move(host), std::move(service), options.limit, detail::tls_options(options));
}

task<stream_pair> open_connection(std::string host, unsigned short port, open_options options) {
    return open_connection(std::move(host), std::to_string(port), options);
}

task<stream_pair> open_unix_connection(std::string path, open_options options) {
    return detail::open_unix(std::move(path), options.limit, detail::tls_options(options));
}

} // namespace aya::inline v1::io
