// SPDX-License-Identifier: Apache-2.0
// Servers of streams. This header includes no Boost.
#pragma once

#include <aya/detail/callable.hpp>
#include <aya/io/stream.hpp>
#include <aya/task.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace aya::inline v1::io {

namespace detail {
class server_core;

struct connection_handler {
    virtual ~connection_handler() = default;
    virtual task<> serve(stream_reader reader, stream_writer writer) = 0;
};

template <class F>
struct stored_handler final : connection_handler {
    explicit stored_handler(F f) : function(std::move(f)) {}
    task<> serve(stream_reader reader, stream_writer writer) override { return function(std::move(reader), std::move(writer)); }
    F function;
};

} // namespace detail

/// Accepts connections until it is closed; copies refer to the same one. Any thread. Throws invalid_state_error when it was moved from. Mirrors asyncio.Server.
class server {
public:
    explicit server(std::shared_ptr<detail::server_core> c) noexcept : core_(std::move(c)) {}

    /// "127.0.0.1:80" and the like, for each socket.
    [[nodiscard]] std::vector<std::string> sockets() const;
    /// Of the first socket.
    [[nodiscard]] unsigned short port() const;
    [[nodiscard]] bool is_serving() const;
    /// How many connections are open.
    [[nodiscard]] std::size_t connections() const;

    /// Accepts no more; the connections that there are go on.
    void close();
    /// Closes the connections after what they still have to send, or at once. Mirror close_clients() and abort_clients().
    void close_clients();
    void abort_clients();
    /// Waits until it is closed, the last handler has ended, and the last connection is closed, with all that it had to send.
    [[nodiscard]] task<> wait_closed();
    /// Waits until it is cancelled, and closes then. Throws cancelled_error when somebody else closes the server, invalid_state_error when it is closed.
    [[nodiscard]] task<> serve_forever();

private:
    [[nodiscard]] detail::server_core& used() const;
    std::shared_ptr<detail::server_core> core_;
};

struct server_options {
    /// Of the readers.
    std::size_t limit = default_limit;
    /// With TLS.
    ssl_context const* ssl = nullptr;
    int backlog = 100;
    bool reuse_address = true;
    /// Several processes may listen to one port.
    bool reuse_port = false;
    /// How long the TLS handshake may take; who takes longer is cut off, without a report.
    duration ssl_handshake_timeout = default_ssl_handshake_timeout;
};

namespace detail {
[[nodiscard]] task<server> start(std::shared_ptr<connection_handler> handler, std::string host, unsigned short port, server_options options);
[[nodiscard]] task<server> start_unix(std::shared_ptr<connection_handler> handler, std::string path, server_options options);
} // namespace detail

/// Serves `f(reader, writer)`, a coroutine that runs in a task of its own for each connection, on `host` (all interfaces when empty) and `port` (a free
/// one for 0). A name's addresses that this host lacks are left out, unless all are. What a handler throws is reported, unless its connection is lost and that
/// is what it throws, and its connection is closed. Where the process has no descriptors left, connections wait
/// in the system's backlog until there are some. Mirrors asyncio.start_server().
template <class F>
    requires aya::detail::coroutine_function<F, stream_reader, stream_writer>
[[nodiscard]] task<server> start_server(F f, std::string host, unsigned short port, server_options options = {}) {
    return detail::start(std::make_shared<detail::stored_handler<F>>(std::move(f)), std::move(host), port, options);
}

/// The same on a Unix socket, whose file must not be there, or be a socket that nobody listens to. Mirrors asyncio.start_unix_server().
template <class F>
    requires aya::detail::coroutine_function<F, stream_reader, stream_writer>
[[nodiscard]] task<server> start_unix_server(F f, std::string path, server_options options = {}) {
    return detail::start_unix(std::make_shared<detail::stored_handler<F>>(std::move(f)), std::move(path), options);
}

} // namespace aya::inline v1::io
