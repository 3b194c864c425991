// SPDX-License-Identifier: Apache-2.0
// The HTTP client.
#pragma once

#include <aya/http/client_options.hpp>
#include <aya/http/request.hpp>
#include <aya/http/response.hpp>
#include <aya/http/response_stream.hpp>
#include <aya/task.hpp>

#include <memory>
#include <string>
#include <utility>

namespace aya::inline v1 {
class runtime;
}

namespace aya::inline v1::http {

namespace detail {
class connection_pool;
}

/// Sends requests and keeps connections for the next ones. One client serves a whole program:
///
///     aya::http::client client;
///     aya::http::response r = co_await client.get("https://example.org/");
///     r.raise_for_status();
///
/// Requests may be sent by any task of the runtime that the client was made in, on any worker, at the same time. Cancelling the task gives the
/// request's connection up at once. Requests that are under way when the client is destroyed go on; the client, and they, must be gone before
/// the runtime is. What fails before there is a response throws request_error's family (see errors.hpp), a status of 4xx or 5xx
/// is a response: ask is_error() or call raise_for_status().
///
/// Redirects are not followed unless follow_redirects says so. Certificates are checked. HTTP/2 is used where a TLS server offers it.
/// A client with many requests under way divides its connections among the workers, unless it has a limit for each host or HTTP/2 from the start, or, with curl 8,
/// cookies, which curl then does not share between threads. Cost: a descriptor for each connection, and two for each of those parts. Mirrors httpx.AsyncClient.
class client {
public:
    /// In a task: for its runtime. Throws invalid_state_error outside one, std::invalid_argument for options out of range.
    explicit client(client_options options = {});
    /// Any thread.
    explicit client(runtime& rt, client_options options = {});
    client(client&&) noexcept;
    client& operator=(client&&) noexcept;
    ~client();

    [[nodiscard]] task<response> get(std::string url) { return request(http::request("GET", std::move(url))); }
    [[nodiscard]] task<response> head(std::string url) { return request(http::request("HEAD", std::move(url))); }
    [[nodiscard]] task<response> options(std::string url) { return request(http::request("OPTIONS", std::move(url))); }
    [[nodiscard]] task<response> delete_(std::string url) { return request(http::request("DELETE", std::move(url))); }
    [[nodiscard]] task<response> post(std::string url, content c = {}) { return send("POST", std::move(url), std::move(c)); }
    [[nodiscard]] task<response> put(std::string url, content c = {}) { return send("PUT", std::move(url), std::move(c)); }
    [[nodiscard]] task<response> patch(std::string url, content c = {}) { return send("PATCH", std::move(url), std::move(c)); }

    /// Sends `r` and reads the response to its end.
    [[nodiscard]] task<response> request(http::request r);
    [[nodiscard]] task<response> request(std::string method, std::string url) {
        return request(http::request(std::move(method), std::move(url)));
    }

    /// Sends `r` and gives the response as soon as its header fields are there.
    [[nodiscard]] task<response_stream> stream(http::request r);
    [[nodiscard]] task<response_stream> stream(std::string method, std::string url) {
        return stream(http::request(std::move(method), std::move(url)));
    }

    /// Requests that hold a connection now, and connections that are open, idle ones too. Snapshots.
    [[nodiscard]] std::size_t active_requests() const noexcept;
    [[nodiscard]] std::size_t open_connections() const noexcept;

private:
    [[nodiscard]] task<response> send(std::string method, std::string url, content c) {
        http::request r(std::move(method), std::move(url));
        r.body(std::move(c));
        return request(std::move(r));
    }

    std::shared_ptr<detail::connection_pool> pool_;
};

} // namespace aya::inline v1::http
