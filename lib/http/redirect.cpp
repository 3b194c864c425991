// SPDX-License-Identifier: Apache-2.0
#include "http/redirect.hpp"

#include "http/exchange.hpp"

#include <aya/http/errors.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>

namespace aya::inline v1::http::detail {

namespace {

struct url_deleter {
    void operator()(CURLU* u) const noexcept { ::curl_url_cleanup(u); }
};

/// A URL in its parts.
class parsed_url {
public:
    explicit parsed_url(std::string const& url) : handle_(::curl_url()), text_(url) {
        if (!handle_)
            throw std::bad_alloc();
        set(url);
    }
    /// A URL that is absolute or relative to this one.
    void go_to(std::string const& location) { set(location); }

    [[nodiscard]] std::string part(CURLUPart which) const {
        char* value = nullptr;
        if (::curl_url_get(handle_.get(), which, &value, CURLU_DEFAULT_PORT) != CURLUE_OK)
            return {};
        std::string copy(value);
        ::curl_free(value);
        return copy;
    }
    [[nodiscard]] std::string url() const {
        char* value = nullptr;
        if (CURLUcode const code = ::curl_url_get(handle_.get(), CURLUPART_URL, &value, 0); code != CURLUE_OK)
            refuse(code);
        std::string copy(value);
        ::curl_free(value);
        return copy;
    }
    [[nodiscard]] bool same_origin(parsed_url const& other) const {
        return part(CURLUPART_SCHEME) == other.part(CURLUPART_SCHEME) && part(CURLUPART_HOST) == other.part(CURLUPART_HOST) &&
               part(CURLUPART_PORT) == other.part(CURLUPART_PORT);
    }

private:
    void set(std::string const& url) {
        if (CURLUcode const code = ::curl_url_set(handle_.get(), CURLUPART_URL, url.c_str(), CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE);
            code != CURLUE_OK)
            refuse(code);
    }
    [[noreturn]] void refuse(CURLUcode code) const {
        if (code == CURLUE_OUT_OF_MEMORY)
            throw std::bad_alloc();
        throw invalid_url("aya::http: " + text_ + ": " + ::curl_url_strerror(code), text_);
    }

    std::unique_ptr<CURLU, url_deleter> handle_;
    std::string text_;
};

bool begins_with(std::string const& url, std::string_view scheme) noexcept {
    return url.size() > scheme.size() && std::equal(scheme.begin(), scheme.end(), url.begin(), [](char s, char c) {
               return (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) == s;
           });
}

} // namespace

void check_url(std::string const& url) {
    if (!begins_with(url, "http://") && !begins_with(url, "https://"))
        throw unsupported_protocol("aya::http: \"" + url + "\" begins neither with http:// nor with https://", url);
    if (std::ranges::any_of(url, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; }))
        throw invalid_url("aya::http: \"" + url + "\" has a blank or a control character", url);
}

bool is_followable(response const& r) noexcept {
    int const s = r.status_code();
    return (s == 301 || s == 302 || s == 303 || s == 307 || s == 308) && r.headers().contains("Location");
}

request redirected(request r, response const& to) {
    parsed_url const from(r.url());
    parsed_url target(r.url());
    target.go_to(std::string(*to.headers().get("Location")));
    r.set_url(target.url());

    int const s = to.status_code();
    bool const becomes_get = (s == 303 && r.method() != "HEAD") || (s == 302 && r.method() != "HEAD") || (s == 301 && r.method() == "POST");
    if (becomes_get) {
        r.set_method("GET");
        r.body({});
        r.erase_header("Content-Type");
        r.erase_header("Content-Length");
        r.erase_header("Transfer-Encoding");
    } else if (r.content().streamed()) {
        throw request_error("aya::http: " + to.url() + ": a redirect asks for content again that was streamed, and is gone", to.url());
    }
    r.erase_header("Host");
    if (!target.same_origin(from)) {
        r.erase_header("Authorization");
        r.erase_header("Proxy-Authorization");
        r.erase_header("Cookie");
    }
    return r;
}

} // namespace aya::inline v1::http::detail
