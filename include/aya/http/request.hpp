// SPDX-License-Identifier: Apache-2.0
// A request that is put together before it is sent.
#pragma once

#include <aya/http/client_options.hpp>
#include <aya/http/content.hpp>
#include <aya/http/headers.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace aya::inline v1::http {

/// What to send. A value; its setters can be chained:
///
///     aya::http::request r("POST", url);
///     r.header("Authorization", "Bearer ...").json(text).timeout(60s);
///     auto response = co_await client.request(std::move(r));
///
/// Mirrors httpx.Request and the arguments of client.request().
class request {
public:
    /// Throws std::invalid_argument for a method that is no token.
    request(std::string method, std::string url);

    /// Replaces the field; add_header() adds one. Throw std::invalid_argument as headers::add().
    request& header(std::string name, std::string value) {
        headers_.set(std::move(name), std::move(value));
        return *this;
    }
    request& add_header(std::string name, std::string value) {
        headers_.add(std::move(name), std::move(value));
        return *this;
    }
    /// One more parameter in the URL, percent-encoded. Mirrors params={...}.
    request& query(std::string_view name, std::string_view value);
    /// User and password for Basic authentication.
    request& basic_auth(std::string_view user, std::string_view password);

    request& body(http::content c) {
        content_ = std::move(c);
        return *this;
    }
    request& json(std::string text) { return body(http::json(std::move(text))); }

    request& timeout(timeouts t) noexcept {
        timeout_ = t;
        return *this;
    }
    request& follow_redirects(bool follow) noexcept {
        follow_redirects_ = follow;
        return *this;
    }

    [[nodiscard]] std::string const& method() const noexcept { return method_; }
    [[nodiscard]] std::string const& url() const noexcept { return url_; }
    [[nodiscard]] http::headers const& headers() const noexcept { return headers_; }
    [[nodiscard]] http::content const& content() const noexcept { return content_; }
    /// Empty: as the client has it.
    [[nodiscard]] std::optional<timeouts> const& timeout() const noexcept { return timeout_; }
    [[nodiscard]] std::optional<bool> follow_redirects() const noexcept { return follow_redirects_; }

    /// For a redirect, and for what a client adds.
    void set_method(std::string method) { method_ = std::move(method); }
    void set_url(std::string url) { url_ = std::move(url); }
    void erase_header(std::string_view name) { headers_.erase(name); }

private:
    std::string method_;
    std::string url_;
    http::headers headers_;
    http::content content_;
    std::optional<timeouts> timeout_;
    std::optional<bool> follow_redirects_;
};

} // namespace aya::inline v1::http
