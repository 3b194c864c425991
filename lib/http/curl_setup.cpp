// SPDX-License-Identifier: Apache-2.0
#include "http/curl_setup.hpp"

#include <aya/version.hpp>

#include <new>
#include <stdexcept>
#include <string>

namespace aya::inline v1::http::detail {

void initialise_curl() {
    // For the whole program; curl counts, and is never cleaned up, because objects of static storage may still use it.
    static CURLcode const ready = ::curl_global_init(CURL_GLOBAL_DEFAULT);
    if (ready != CURLE_OK)
        throw std::runtime_error(std::string("aya::http: curl cannot be initialised: ") + ::curl_easy_strerror(ready));
}

void check(client_options const& o) {
    auto const refuse = [](char const* what) { throw std::invalid_argument(std::string("aya::http::client_options: ") + what); };
    if (o.limits.max_connections == 0 || o.limits.max_connections > 1'000'000)
        refuse("limits.max_connections must be 1 to 1000000");
    if (o.limits.max_connections_per_host > 1'000'000)
        refuse("limits.max_connections_per_host must be at most 1000000");
    if (o.limits.keepalive_expiry.count() < 0)
        refuse("limits.keepalive_expiry must not be negative");
    if (o.limits.max_header_bytes == 0)
        refuse("limits.max_header_bytes must not be 0");
}

void set_common_options(CURL* handle, client_options const& o) {
    auto const set = [&](CURLoption option, auto value) { (void)::curl_easy_setopt(handle, option, value); };
    auto const set_text = [&](CURLoption option, std::string const& value) {
        if (!value.empty() && ::curl_easy_setopt(handle, option, value.c_str()) == CURLE_OUT_OF_MEMORY)
            throw std::bad_alloc();
    };
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L); // a cancelled request does not wait for the thread that resolves its name
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L); // redirect.cpp
    set(CURLOPT_ACCEPT_ENCODING, "");
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_TCP_NODELAY, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, 0x7fffffffL); // the pool has deadlines of its own
    set(CURLOPT_MAXAGE_CONN, static_cast<long>(o.limits.keepalive_expiry.count()));
    switch (o.version) {
    case http_version::automatic:
        set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
        break;
    case http_version::http1:
        set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
        break;
    case http_version::http2_prior_knowledge:
        set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
        set(CURLOPT_PIPEWAIT, 1L);
        break;
    }
    set(CURLOPT_SSL_VERIFYPEER, o.verify ? 1L : 0L);
    set(CURLOPT_SSL_VERIFYHOST, o.verify ? 2L : 0L);
    set_text(CURLOPT_CAINFO, o.ca_file);
    set_text(CURLOPT_SSLCERT, o.certificate_file);
    set_text(CURLOPT_SSLKEY, o.key_file);
    set_text(CURLOPT_PROXY, o.proxy);
    set_text(CURLOPT_NOPROXY, o.no_proxy);
    if (!o.trust_env) {
        if (o.proxy.empty())
            set(CURLOPT_PROXY, "");
        if (o.no_proxy.empty())
            set(CURLOPT_NOPROXY, "");
    }
    if (o.cookies)
        set(CURLOPT_COOKIEFILE, "");
}

namespace {

void append(header_lines& list, std::string const& line) {
    curl_slist* const longer = ::curl_slist_append(list.get(), line.c_str());
    if (longer == nullptr)
        throw std::bad_alloc();
    (void)list.release();
    list.reset(longer);
}

void append(header_lines& list, headers::field const& f) { append(list, f.second.empty() ? f.first + ";" : f.first + ": " + f.second); }

/// Those of content that curl undoes.
std::string const& encodings() {
    static std::string const names = [] {
        int const features = ::curl_version_info(CURLVERSION_NOW)->features;
        std::string all;
        auto const add = [&](int feature, char const* name) {
            if ((features & feature) != 0)
                all += (all.empty() ? "" : ", ") + std::string(name);
        };
        add(CURL_VERSION_LIBZ, "deflate, gzip");
        add(CURL_VERSION_BROTLI, "br");
        add(CURL_VERSION_ZSTD, "zstd");
        return all;
    }();
    return names;
}

void append_common(header_lines& list, client_options const& o, headers const& own) {
    for (auto const& f : o.headers)
        if (!own.contains(f.first))
            append(list, f);
    if (!own.contains("User-Agent") && !o.headers.contains("User-Agent"))
        append(list, "User-Agent: aya/" + std::to_string(AYA_VERSION_MAJOR) + "." + std::to_string(AYA_VERSION_MINOR));
    // Curl would write this line itself, in twice the time.
    if (!encodings().empty() && !own.contains("Accept-Encoding") && !o.headers.contains("Accept-Encoding"))
        append(list, "Accept-Encoding: " + encodings());
}

} // namespace

header_lines common_lines(client_options const& o) {
    header_lines list;
    append_common(list, o, {});
    return list;
}

header_lines lines_of(request const& r, client_options const& o) {
    header_lines list;
    for (auto const& f : r.headers())
        append(list, f);
    append_common(list, o, r.headers());
    if (!r.headers().contains("Expect") && !o.headers.contains("Expect"))
        append(list, "Expect:"); // none: servers that do not know it would cost a second
    if (!r.headers().contains("Content-Type") && !o.headers.contains("Content-Type")) // or else curl adds a form's
        append(list, r.content().type().empty() ? std::string("Content-Type:") : "Content-Type: " + r.content().type());
    return list;
}

} // namespace aya::inline v1::http::detail
