// SPDX-License-Identifier: Apache-2.0
// Header fields, requests and options, without a network.
#include <aya/http.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace http = aya::http;

TEST_CASE("http headers: names are found whatever their case, fields keep their order") {
    http::headers h;
    h.add("Set-Cookie", "a=1");
    h.add("X-Two", "2");
    h.add("set-cookie", "b=2");
    CHECK(h.get("SET-COOKIE") == "a=1");
    CHECK(h.get_list("Set-Cookie").size() == 2);
    CHECK(!h.contains("X-Three"));
    CHECK(h.get("X-Three", "none") == "none");
    h.set("set-cookie", "c=3");
    CHECK(h.get_list("Set-Cookie").size() == 1);
    h.erase("x-two");
    CHECK(h.size() == 1);
}

TEST_CASE("http headers: what would break out of its line is refused") {
    http::headers h;
    CHECK(test::refusal<std::invalid_argument>([&] { h.add("A", "b\r\nEvil: 1"); }).find("line break") != std::string::npos);
    CHECK(!test::refusal<std::invalid_argument>([&] { h.add("A", std::string("b\0c", 3)); }).empty());
    CHECK(!test::refusal<std::invalid_argument>([&] { h.set("A b", "c"); }).empty());
    CHECK(!test::refusal<std::invalid_argument>([&] { h.set("", "c"); }).empty());
    CHECK(!test::refusal<std::invalid_argument>([&] { http::request r("GET /\r\n", "http://a/"); }).empty());
    CHECK(h.empty());
}

TEST_CASE("http request: parameters are encoded and put in their place") {
    CHECK(http::request("GET", "http://a/b").query("q", "1 &=").url() == "http://a/b?q=1%20%26%3D");
    CHECK(http::request("GET", "http://a/b?x=1").query("q", "2").url() == "http://a/b?x=1&q=2");
    CHECK(http::request("GET", "http://a/b?").query("q", "2").url() == "http://a/b?q=2");
    CHECK(http::request("GET", "http://a/b#c?d").query("q", "2").url() == "http://a/b?q=2#c?d");
    CHECK(http::percent_encode("\xc3\xa4~") == "%C3%A4~");
    CHECK(http::form().add("a b", "c").add("d", "").encoded() == "a%20b=c&d=");
    http::request r("GET", "http://a/");
    CHECK(r.basic_auth("Aladdin", "open sesame").headers().get("Authorization") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    CHECK(r.basic_auth("a", "b").headers().get("Authorization") == "Basic YTpi");
    CHECK(r.basic_auth("a", "bc").headers().get("Authorization") == "Basic YTpiYw==");
}

TEST_CASE("http client: options out of range are named; there is no client outside a runtime") {
    CHECK(!test::refusal<aya::invalid_state_error>([] { http::client c; }).empty());
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto const refused = [](http::client_options o) { return test::refusal<std::invalid_argument>([&] { http::client c(o); }); };
        CHECK(refused({.limits = {.max_connections = 0}}).find("max_connections") != std::string::npos);
        CHECK(refused({.limits = {.max_connections = 1'000'001}}).find("max_connections") != std::string::npos);
        CHECK(refused({.limits = {.max_connections_per_host = 1'000'001}}).find("max_connections_per_host") != std::string::npos);
        CHECK(refused({.limits = {.max_header_bytes = 0}}).find("max_header_bytes") != std::string::npos);
        CHECK(refused({.limits = {.keepalive_expiry = std::chrono::seconds(-1)}}).find("keepalive_expiry") != std::string::npos);
        co_return;
    });
}

TEST_CASE("http request: fields are added or replaced, content has its type, encoding leaves what needs none") {
    http::request r("GET", "http://a/");
    r.header("X-A", "1").add_header("X-A", "2");
    CHECK(r.headers().get_list("X-A").size() == 2);
    CHECK(r.header("X-A", "3").headers().get_list("X-A").size() == 1);
    CHECK(http::text("hi").type() == "text/plain; charset=utf-8");
    CHECK(http::text("hi").bytes() == "hi");
    CHECK(http::percent_encode("aZ09-._~ /+") == "aZ09-._~%20%2F%2B");
    CHECK(http::request("M-SEARCH", "http://a/").method() == "M-SEARCH");
    CHECK(http::request("A_B", "http://a/").method() == "A_B");
    CHECK(test::refusal<std::invalid_argument>([] { http::request none("", "http://a/"); }).find("method") != std::string::npos);
    CHECK(http::request("GET", "http://a/?x=1&#c").query("q", "2").url() == "http://a/?x=1&q=2#c");
}

TEST_CASE("http response: the kind of a status, and what is thrown for it") {
    auto const with = [](int status, std::string reason) {
        http::detail::response_head head;
        head.status_code = status;
        head.reason_phrase = std::move(reason);
        head.url = "http://a/b";
        return http::response(std::move(head), "content", {});
    };
    CHECK(with(204, "").is_success());
    CHECK(with(302, "").is_redirect());
    CHECK_FALSE(with(302, "").is_error());
    CHECK(with(404, "").is_client_error());
    CHECK(with(404, "").is_error());
    CHECK_FALSE(with(404, "").is_server_error());
    CHECK(with(503, "").is_server_error());
    CHECK(with(503, "").is_error());
    CHECK(with(200, "OK").raise_for_status().content() == "content");
    try {
        (void)with(503, "").raise_for_status(); // as with HTTP/2, which has no phrases
        FAIL("no exception");
    } catch (http::http_error const& e) {
        CHECK(std::string(e.what()).find("503") != std::string::npos);
        CHECK(e.url() == "http://a/b");
    }
}
