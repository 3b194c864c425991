// SPDX-License-Identifier: Apache-2.0
// TLS: certificates are checked unless the client is told otherwise. HTTP/2 where the server offers it.
//
// The server is nginx, with a certificate that the test has made; without nginx the test says so and is skipped.
#include "http/nginx.hpp"

#include <aya/gather.hpp>
#include <aya/http.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace http = aya::http;

TEST_CASE("http TLS: a certificate that nobody trusts is refused, and so is another host's") {
    test::nginx const server;
    if (!server.runs())
        return;
    static test::nginx const* nginx = nullptr;
    nginx = &server;
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::string const url = nginx->tls_url("/");
        {
            http::client client({.trust_env = false});
            CHECK(co_await test::throws<http::tls_error>(client.get(url)));
            CHECK(client.open_connections() == 0);
        }
        {
            http::client client({.ca_file = nginx->certificate(), .trust_env = false});
            CHECK((co_await client.get(url)).text() == "hello\n");
            std::string const other = "https://localhost" + url.substr(url.rfind(':')); // the certificate is for 127.0.0.1
            CHECK(co_await test::throws<http::tls_error>(client.get(other)));
        }
        {
            http::client client({.verify = false, .trust_env = false});
            CHECK((co_await client.get(url)).text() == "hello\n");
        }
        {
            http::client client({.ca_file = "/nonexistent.pem", .trust_env = false});
            CHECK(co_await test::throws<http::tls_error>(client.get(url)));
        }
    });
}

TEST_CASE("http TLS: HTTP/2 is taken where it is offered, and many requests share a connection") {
    test::nginx const server;
    if (!server.runs())
        return;
    static test::nginx const* nginx = nullptr;
    nginx = &server;
    test::everywhere_in_real_time([]() -> aya::task<> {
        http::client_options const trusting{.ca_file = nginx->certificate(), .trust_env = false};
        http::client client(trusting);
        http::response const first = co_await client.get(nginx->tls_url("/"));
        CHECK(first.http_version() == "HTTP/2");
        std::vector<aya::task<http::response>> all;
        for (int i = 0; i < 100; ++i)
            all.push_back(client.get(nginx->tls_url("/")));
        for (auto const& r : co_await aya::gather(std::move(all)))
            CHECK(r.text() == "hello\n");
        CHECK(client.open_connections() <= 6); // a hundred connections are divided among so many workers, who have one each
        http::client_options old = trusting;
        old.version = http::http_version::http1;
        http::client plain(old);
        CHECK((co_await plain.get(nginx->tls_url("/"))).http_version() == "HTTP/1.1");
        http::client_options only = trusting;
        only.version = http::http_version::http2_prior_knowledge;
        http::client sure(only);
        CHECK((co_await sure.get(nginx->tls_url("/"))).http_version() == "HTTP/2");
    });
}
