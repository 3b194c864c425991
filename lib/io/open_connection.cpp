// SPDX-License-Identifier: Apache-2.0
#include "io/address.hpp"
#include "io/connection.hpp"

#include <aya/io/context.hpp>
#include <aya/io/stream.hpp>

#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace aya::inline v1::io {

namespace detail {

std::shared_ptr<connection> new_connection(int descriptor, connection::kind k, std::size_t limit) {
    return std::make_shared<connection>(io::context(), descriptor, k, limit);
}

void send_at_once(int descriptor) noexcept {
    int const on = 1;
    (void)::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

namespace {

using shared_context = std::shared_ptr<ssl_context::state>;

task<std::shared_ptr<connection>> connect(address to, std::size_t limit) {
    int const descriptor = ::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        throw_errno(errno, "aya::io::open_connection: a socket");
    auto c = new_connection(descriptor, connection::kind::socket, limit);
    co_await c->connect(to);
    if (to.family() != AF_UNIX)
        send_at_once(descriptor);
    co_return c;
}

task<stream_pair> pair_of(std::shared_ptr<connection> c, shared_context context, std::string name) {
    if (context != nullptr)
        co_await c->handshake(std::move(context), false, std::move(name));
    co_return stream_pair(stream_reader(c), stream_writer(c));
}

task<stream_pair> open_tcp(std::string host, std::string service, std::size_t limit, shared_context context, std::string name) {
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
    co_return co_await pair_of(std::move(c), std::move(context), name.empty() ? std::move(host) : std::move(name));
}

task<stream_pair> open_unix(std::string path, std::size_t limit, shared_context context, std::string name) {
    auto c = co_await connect(unix_address(path), limit);
    co_return co_await pair_of(std::move(c), std::move(context), std::move(name));
}

shared_context context_of(open_options const& options) { return options.ssl == nullptr ? nullptr : options.ssl->shared(); }

} // namespace

} // namespace detail

task<stream_pair> open_connection(std::string host, std::string service, open_options options) {
    return detail::open_tcp(std::move(host), std::move(service), options.limit, detail::context_of(options),
                            std::string(options.server_hostname));
}

task<stream_pair> open_connection(std::string host, unsigned short port, open_options options) {
    return open_connection(std::move(host), std::to_string(port), options);
}

task<stream_pair> open_unix_connection(std::string path, open_options options) {
    return detail::open_unix(std::move(path), options.limit, detail::context_of(options), std::string(options.server_hostname));
}

} // namespace aya::inline v1::io
