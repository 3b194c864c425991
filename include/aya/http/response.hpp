// SPDX-License-Identifier: Apache-2.0
// A response whose content has been read.
#pragma once

#include <aya/http/headers.hpp>
#include <aya/time.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace aya::inline v1::http {

class response;

namespace detail {

/// What is known once the header fields are there.
struct response_head {
    int status_code = 0;
    std::string reason_phrase;
    std::string http_version;
    http::headers headers;
    std::string method;
    std::string url;
};

[[noreturn]] void throw_status(response const& r);

} // namespace detail

/// What the server answered, content and all. A value; thread safety as std::string. Mirrors httpx.Response.
class response {
public:
    response() = default;
    response(detail::response_head head, std::string content, duration elapsed)
        : head_(std::move(head)), content_(std::move(content)), elapsed_(elapsed) {}

    [[nodiscard]] int status_code() const noexcept { return head_.status_code; }
    /// "Not Found" and the like; empty with HTTP/2.
    [[nodiscard]] std::string const& reason_phrase() const noexcept { return head_.reason_phrase; }
    /// "HTTP/1.1", "HTTP/2".
    [[nodiscard]] std::string const& http_version() const noexcept { return head_.http_version; }
    [[nodiscard]] http::headers const& headers() const noexcept { return head_.headers; }
    /// The method and the URL of the request that was answered: after redirects, the last one.
    [[nodiscard]] std::string const& method() const noexcept { return head_.method; }
    [[nodiscard]] std::string const& url() const noexcept { return head_.url; }

    /// The bytes, with Content-Encoding undone.
    [[nodiscard]] std::string const& content() const& noexcept { return content_; }
    [[nodiscard]] std::string content() && noexcept { return std::move(content_); }
    /// The same; no conversion of character sets.
    [[nodiscard]] std::string const& text() const& noexcept { return content_; }
    [[nodiscard]] std::string text() && noexcept { return std::move(content_); }

    /// From the sending of the (last) request to the end of the response.
    [[nodiscard]] duration elapsed() const noexcept { return elapsed_; }
    /// The redirects that led here, the first one first.
    [[nodiscard]] std::vector<response> const& history() const noexcept { return history_; }

    [[nodiscard]] bool is_success() const noexcept { return status_code() / 100 == 2; }
    [[nodiscard]] bool is_redirect() const noexcept { return status_code() / 100 == 3; }
    [[nodiscard]] bool is_client_error() const noexcept { return status_code() / 100 == 4; }
    [[nodiscard]] bool is_server_error() const noexcept { return status_code() / 100 == 5; }
    [[nodiscard]] bool is_error() const noexcept { return is_client_error() || is_server_error(); }

    /// Throws http_status_error, with a copy of this, unless the status is 2xx.
    response const& raise_for_status() const& {
        if (!is_success())
            detail::throw_status(*this);
        return *this;
    }
    response raise_for_status() && {
        if (!is_success())
            detail::throw_status(*this);
        return std::move(*this);
    }

    void set_history(std::vector<response> h) noexcept { history_ = std::move(h); }

private:
    detail::response_head head_;
    std::string content_;
    duration elapsed_{};
    std::vector<response> history_;
};

} // namespace aya::inline v1::http
