// SPDX-License-Identifier: Apache-2.0
// How a client behaves.
#pragma once

#include <aya/http/headers.hpp>
#include <aya/time.hpp>

#include <chrono>
#include <cstddef>
#include <string>

namespace aya::inline v1::http {

/// No limit of time.
inline constexpr duration no_timeout = duration::max();

/// Limits of time. Real time, also under runtime_options::virtual_time. Mirrors httpx.Timeout.
class timeouts {
public:
    /// 5 s each, and none for the whole.
    timeouts() : timeouts(std::chrono::seconds(5)) {}
    /// The same for connect, read and pool; none for the whole.
    template <class Representation, class Period>
    timeouts(std::chrono::duration<Representation, Period> each)
        : connect(aya::detail::to_duration(each)), read(connect), pool(connect) {}

    duration connect;            ///< name resolution, TCP and TLS together
    duration read;               ///< without a byte received or sent; not while a stream's reader is the slow one
    duration pool;               ///< until one of the client's connections is free
    duration total = no_timeout; ///< all of it, redirects included
};

/// Limits of number and size. Mirrors httpx.Limits.
struct client_limits {
    /// Requests under way, each of which holds a connection with HTTP/1.1; the others wait in line, first come, first served. As many
    /// connections are kept for the next requests, divided among the workers: a client with few requests at a time uses one worker's part.
    std::size_t max_connections = 100;
    /// To one host and port; 0: as many as there may be in all.
    std::size_t max_connections_per_host = 0;
    /// An idle connection that is older is not used again. Whole seconds.
    std::chrono::seconds keepalive_expiry{30};
    /// Header fields of one response; more is a protocol_error.
    std::size_t max_header_bytes = 256 * 1024;
    /// Content of one response that is not streamed, with its encoding undone; more is a protocol_error. 0: no limit.
    std::size_t max_content_bytes = 0;
};

enum class http_version {
    automatic,          ///< HTTP/2 where a TLS server offers it, else HTTP/1.1
    http1,              ///< HTTP/1.1
    http2_prior_knowledge ///< HTTP/2 at once, without TLS too
};

/// Options of a client. Mirrors the arguments of httpx.AsyncClient.
struct client_options {
    /// Put before URLs that begin with a slash.
    std::string base_url = {};
    /// Sent with every request that has none of the same name. A User-Agent of the library's own unless there is one.
    http::headers headers = {};
    timeouts timeout = {};
    client_limits limits = {};
    bool follow_redirects = false;
    std::size_t max_redirects = 20;
    http_version version = http_version::automatic;
    /// Cookies that servers set are sent back to them.
    bool cookies = true;

    /// Certificates are checked, and the names in them.
    bool verify = true;
    /// Trusted certificates in a PEM file; the system's when empty.
    std::string ca_file = {};
    /// The client's own certificate and key, PEM files.
    std::string certificate_file = {};
    std::string key_file = {};

    /// "http://host:port", "socks5://..."; none when empty, except that trust_env says otherwise.
    std::string proxy = {};
    /// Hosts that are reached without it, separated by commas; "*": all.
    std::string no_proxy = {};
    /// Whether http_proxy, https_proxy, all_proxy and no_proxy of the environment count.
    bool trust_env = true;
};

} // namespace aya::inline v1::http
