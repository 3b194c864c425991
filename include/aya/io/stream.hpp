// SPDX-License-Identifier: Apache-2.0
// Reading and writing a connection, as asyncio's streams do it. This header includes no Boost.
#pragma once

#include <aya/io/errors.hpp>
#include <aya/task.hpp>
#include <aya/time.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace aya::inline v1::io {

class ssl_context;

namespace detail {
class connection;
}

/// The default of a reader's limit.
inline constexpr std::size_t default_limit = 64 * 1024;
/// How long a TLS handshake may take unless told otherwise. As asyncio's.
inline constexpr duration default_ssl_handshake_timeout = std::chrono::seconds(60);

/// The receiving side of a connection; copies refer to the same one. One task at a time may read: a second one gets invalid_state_error.
/// Errors of the connection are thrown as std::system_error. A cancelled read loses nothing: what has come is there for the next one.
/// A reader may outlive its runtime; reading fails then, with connection_aborted. Throws invalid_state_error when it was moved from.
/// Reads ahead by as much as one system call gives: up to twice the limit, and 64 KiB unless more comes again and again. Mirrors asyncio.StreamReader.
class stream_reader {
public:
    explicit stream_reader(std::shared_ptr<detail::connection> c) noexcept : connection_(std::move(c)) {}

    /// 1 to `n` bytes, as soon as there are any; empty at the end of the stream, and for n = 0.
    [[nodiscard]] task<std::string> read(std::size_t n);
    /// Everything up to the end of the stream.
    [[nodiscard]] task<std::string> read();
    /// Exactly `n` bytes. Throws incomplete_read_error when the stream ends before.
    [[nodiscard]] task<std::string> readexactly(std::size_t n);
    /// Up to and with `separator`. Throws incomplete_read_error when the stream ends before, limit_overrun_error when the limit is exceeded,
    /// std::invalid_argument for an empty separator.
    [[nodiscard]] task<std::string> readuntil(std::string separator = "\n");
    /// A line with its end; at the end of the stream what is left, or nothing. Throws std::length_error for a line above the limit, which is
    /// dropped.
    [[nodiscard]] task<std::string> readline();

    /// The stream has ended, and everything was read. A snapshot.
    [[nodiscard]] bool at_eof() const;

private:
    [[nodiscard]] std::shared_ptr<detail::connection> const& used() const;
    std::shared_ptr<detail::connection> connection_;
};

/// The sending side; copies refer to the same one. Any task, and any thread. What cannot be sent at once is kept and sent in the
/// background. When the last reader and writer of a connection are gone, it is closed after that. It may outlive its runtime, whose end drops what was
/// not sent; no thread may use it while the runtime ends. Throws invalid_state_error when it was moved from. Mirrors asyncio.StreamWriter.
class stream_writer {
public:
    explicit stream_writer(std::shared_ptr<detail::connection> c) noexcept : connection_(std::move(c)) {}

    /// Sends, or keeps what cannot be sent now. Never waits, never reports an error: drain() does both. After close(), or when the connection is lost,
    /// does nothing.
    void write(std::string_view data);
    /// write() of each.
    template <class Range>
    void writelines(Range const& lines) {
        for (auto const& line : lines)
            write(line);
    }

    /// Waits while more than the high-water mark is kept, until it is down to the low one. Throws the connection's error,
    /// std::system_error with connection_reset when it is lost without one.
    [[nodiscard]] task<> drain();
    /// Bytes: 64 KiB and a quarter by default. Throws std::invalid_argument when low is above high.
    void set_write_buffer_limits(std::size_t high, std::size_t low);
    void set_write_buffer_limits(std::size_t high) { set_write_buffer_limits(high, high / 4); }
    [[nodiscard]] std::size_t get_write_buffer_size() const;

    /// Ends the sending direction, when everything was sent. Not over TLS: can_write_eof().
    void write_eof();
    [[nodiscard]] bool can_write_eof() const;

    /// Closes both directions, when everything was sent.
    void close();
    [[nodiscard]] bool is_closing() const;
    /// Waits until it is closed, and throws the error that the connection was lost by, if one was.
    [[nodiscard]] task<> wait_closed();
    /// Closes at once, and drops what was not sent.
    void abort();

    /// "127.0.0.1:80", "[::1]:80", a path, or nothing.
    [[nodiscard]] std::string peername() const;
    [[nodiscard]] std::string sockname() const;
    /// The socket; to look at, not to close.
    [[nodiscard]] int descriptor() const;
    /// What was agreed on by ALPN; empty without TLS.
    [[nodiscard]] std::string alpn_protocol() const;

    /// Goes on with TLS; nobody may be reading or writing. As a client (of `server_hostname`, which has to be given where the context checks it)
    /// or as the server. Throws ssl_error; std::system_error: connection_reset when the peer leaves, connection_aborted after the timeout. The connection is lost
    /// then, and when it is cancelled. Mirrors StreamWriter.start_tls().
    [[nodiscard]] task<> start_tls(ssl_context const& context, std::string server_hostname = {},
                                   duration ssl_handshake_timeout = default_ssl_handshake_timeout);
    [[nodiscard]] task<> start_tls_as_server(ssl_context const& context, duration ssl_handshake_timeout = default_ssl_handshake_timeout);

private:
    [[nodiscard]] std::shared_ptr<detail::connection> const& used() const;
    std::shared_ptr<detail::connection> connection_;
};

/// What open_connection() gives: auto [reader, writer] = co_await ...
using stream_pair = std::pair<stream_reader, stream_writer>;

struct open_options {
    /// Of the reader.
    std::size_t limit = default_limit;
    /// With TLS, verified by this context.
    ssl_context const* ssl = nullptr;
    /// The name that the certificate has to bear; the host's by default.
    std::string_view server_hostname = {};
    /// How long the TLS handshake may take: std::system_error with connection_aborted then.
    duration ssl_handshake_timeout = default_ssl_handshake_timeout;
};

/// Connects by TCP; a name's addresses are tried one after another. Throws std::system_error: the last address's error, or for a name that is
/// unknown one of resolver_category(); ssl_error for a failed handshake. Mirrors asyncio.open_connection().
[[nodiscard]] task<stream_pair> open_connection(std::string host, std::string service, open_options options = {});
[[nodiscard]] task<stream_pair> open_connection(std::string host, unsigned short port, open_options options = {});

/// Connects to a Unix socket. Mirrors asyncio.open_unix_connection().
[[nodiscard]] task<stream_pair> open_unix_connection(std::string path, open_options options = {});

} // namespace aya::inline v1::io
