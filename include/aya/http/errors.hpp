// SPDX-License-Identifier: Apache-2.0
// What the HTTP client throws. The names and their order are those of httpx.
//
//   http_error
//     request_error                    there is no response
//       transport_error
//         timeout_error                connect_timeout, read_timeout, pool_timeout, total_timeout
//         network_error                connect_error (of which tls_error), read_error, write_error
//         protocol_error               what the server sent is no HTTP, or too much of it
//         proxy_error
//         unsupported_protocol
//       too_many_redirects
//       invalid_url
//     http_status_error                raise_for_status()
#pragma once

#include <aya/http/response.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace aya::inline v1::http {

/// Everything that the client throws by itself, but for cancelled_error, std::bad_alloc and std::invalid_argument.
class http_error : public std::runtime_error {
public:
    http_error(std::string const& what, std::string url) : std::runtime_error(what), url_(std::move(url)) {}

    /// The URL that was asked for.
    [[nodiscard]] std::string const& url() const noexcept { return url_; }

private:
    std::string url_;
};

/// The request failed before there was a whole response.
class request_error : public http_error {
public:
    using http_error::http_error;
};

class transport_error : public request_error {
public:
    using request_error::request_error;
};

/// One of the client's own limits of time. Not aya::timeout_error: that one is what aya::timeout() throws.
class timeout_error : public transport_error {
public:
    using transport_error::transport_error;
};
/// No connection in time: name resolution, TCP, TLS.
class connect_timeout : public timeout_error {
public:
    using timeout_error::timeout_error;
};
/// Nothing was received or sent for too long.
class read_timeout : public timeout_error {
public:
    using timeout_error::timeout_error;
};
/// All the client's connections were taken for too long.
class pool_timeout : public timeout_error {
public:
    using timeout_error::timeout_error;
};
/// The request as a whole took too long.
class total_timeout : public timeout_error {
public:
    using timeout_error::timeout_error;
};

class network_error : public transport_error {
public:
    using transport_error::transport_error;
};
/// No connection: an unknown name, nobody listens, unreachable.
class connect_error : public network_error {
public:
    using network_error::network_error;
};
/// TLS failed: an untrusted certificate, another host's, no common version.
class tls_error : public connect_error {
public:
    using connect_error::connect_error;
};
/// The connection was cut while a response was awaited or read.
class read_error : public network_error {
public:
    using network_error::network_error;
};
class write_error : public network_error {
public:
    using network_error::network_error;
};

/// The server broke HTTP's rules, or the client's limits (client_limits::max_header_bytes).
class protocol_error : public transport_error {
public:
    using transport_error::transport_error;
};
class proxy_error : public transport_error {
public:
    using transport_error::transport_error;
};
/// A URL that is neither http nor https.
class unsupported_protocol : public transport_error {
public:
    using transport_error::transport_error;
};

class too_many_redirects : public request_error {
public:
    using request_error::request_error;
};

class invalid_url : public request_error {
public:
    using request_error::request_error;
};

/// raise_for_status(): a response whose status is not 2xx. Mirrors httpx.HTTPStatusError.
class http_status_error : public http_error {
public:
    http_status_error(std::string const& what, http::response r) : http_error(what, r.url()), response_(std::move(r)) {}

    [[nodiscard]] int status_code() const noexcept { return response_.status_code(); }
    [[nodiscard]] http::response const& response() const noexcept { return response_; }

private:
    http::response response_;
};

} // namespace aya::inline v1::http
