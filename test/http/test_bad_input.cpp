// SPDX-License-Identifier: Apache-2.0
// Servers that break the rules: a clear error each time, and nothing left behind.
#include "http/server.hpp"

#include <aya/gather.hpp>
#include <aya/http.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace http = aya::http;
using namespace std::chrono_literals;

namespace {

/// What the client says of a server that answers these bytes, as "class: text"; "status N" if it is content with them.
aya::task<std::string> verdict(std::string bytes, std::size_t max_content_bytes = 0) {
    test::server server(test::saying(std::move(bytes)));
    std::string said;
    {
        http::client client({.limits = {.max_content_bytes = max_content_bytes}, .trust_env = false});
        try {
            http::response const r = co_await client.get(server.url());
            said = "status " + std::to_string(r.status_code());
        } catch (http::protocol_error const& e) {
            said = std::string("protocol_error: ") + e.what();
        } catch (http::read_error const& e) {
            said = std::string("read_error: ") + e.what();
        } catch (http::request_error const& e) {
            said = std::string("request_error: ") + e.what();
        }
        CHECK(client.active_requests() == 0);
        if (!said.starts_with("status"))
            CHECK(client.open_connections() == 0);
    }
    co_await server.stop();
    co_return said;
}

bool is(std::string const& said, std::string_view kind) {
    INFO(said);
    return said.starts_with(kind);
}

} // namespace

TEST_CASE("http bad input: what is no HTTP is a protocol_error, what is cut a read_error") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        CHECK(is(co_await verdict("SSH-2.0-OpenSSH_9.2\r\n"), "protocol_error"));
        CHECK(is(co_await verdict("HTTP/1.1 abc OK\r\n\r\n"), "protocol_error"));
        CHECK(is(co_await verdict(std::string("\0\1\2\3\r\n\r\n", 8)), "protocol_error"));
        CHECK(is(co_await verdict("HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\n"), "protocol_error"));
        CHECK(is(co_await verdict("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc"), "protocol_error"));
        CHECK(is(co_await verdict(""), "read_error"));
        CHECK(is(co_await verdict("HTTP/1.1 200 OK\r\nContent-Le"), "read_error"));
        CHECK(is(co_await verdict("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), "read_error"));
        CHECK(is(co_await verdict("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "read_error"));
        CHECK(is(co_await verdict("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "read_error"));
        CHECK(is(co_await verdict("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end"), "status 200"));
    });
}

TEST_CASE("http bad input: floods of header fields and of content are cut off") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::string many = "HTTP/1.1 200 OK\r\n";
        for (int i = 0; i < 3000; ++i)
            many += "X-Flood-" + std::to_string(i) + ": " + std::string(100, 'x') + "\r\n";
        std::string const said = co_await verdict(many + "Content-Length: 0\r\n\r\n");
        CHECK(is(said, "protocol_error"));
        CHECK(said.find("262144 bytes of header fields") != std::string::npos);
        CHECK(is(co_await verdict("HTTP/1.1 200 OK\r\nX-Long: " + std::string(1 << 20, 'x') + "\r\n\r\n"), "protocol_error"));
        std::string const early = "HTTP/1.1 100 Continue\r\n\r\n";
        std::string floods;
        for (int i = 0; i < 20000; ++i)
            floods += early;
        CHECK(is(co_await verdict(floods), "protocol_error"));

        CHECK(is(co_await verdict(test::reply(std::string(1000, 'x')), 1000), "status 200"));
        CHECK(is(co_await verdict(test::reply(std::string(1001, 'x')), 1000), "protocol_error"));
    });
}

TEST_CASE("http bad input: a server that resets, closes, or is not there") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server resets([](std::shared_ptr<test::connection> c) -> aya::task<> {
            (void)co_await c->asked();
            (void)co_await c->write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
            co_await aya::sleep(5ms);
            c->abort();
        });
        test::server gone(test::silent());
        std::string const nobody = gone.url();
        co_await gone.stop();
        {
            http::client client({.trust_env = false});
            CHECK(co_await test::throws<http::read_error>(client.get(resets.url())));
            CHECK(co_await test::throws<http::connect_error>(client.get(nobody)));
            CHECK(co_await test::throws<http::connect_error>(client.get("http://name.invalid/")));
            CHECK(co_await test::throws<http::unsupported_protocol>(client.get("ftp://127.0.0.1/")));
            CHECK(co_await test::throws<http::unsupported_protocol>(client.get("/relative")));
            CHECK(co_await test::throws<http::invalid_url>(client.get("http://127.0.0.1/a b")));
            CHECK(co_await test::throws<http::invalid_url>(client.get("http://127.0.0.1/a\x7f")));
            CHECK(co_await test::throws<http::unsupported_protocol>(client.get("http:/")));
            CHECK(co_await test::throws<http::invalid_url>(client.get("http://127.0.0.1/\r\nEvil: 1")));
            CHECK(co_await test::throws<http::request_error>(client.get("http://127.0.0.1:99999/")));
            CHECK(client.active_requests() == 0);
            CHECK(client.open_connections() == 0);
        }
        co_await resets.stop();
    });
}

TEST_CASE("http bad input: a kept connection that the server has closed costs no request") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        // Answers one request, says that it will take more, and closes.
        test::server server(test::saying(test::reply("once")));
        {
            http::client client({.trust_env = false});
            for (int i = 0; i < 20; ++i)
                CHECK((co_await client.get(server.url())).text() == "once");
        }
        CHECK(server.accepted() == 20);
        co_await server.stop();
    });
}

TEST_CASE("http bad input: a thousand connections cut in the middle of their message, and the client goes on") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const& m) {
            return m.target == "/ok" ? test::reply("ok") : std::string("HTTP/1.1 200 OK\r\nContent-Length: 10\r\nConnection: close\r\n\r\nabc");
        }));
        test::server cuts(test::saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
        {
            http::client client({.timeout = http::timeouts(http::no_timeout), .trust_env = false});
            std::vector<aya::task<http::response>> all;
            for (int i = 0; i < 1000; ++i)
                all.push_back(client.get(i % 2 == 0 ? cuts.url() : server.url("/ok")));
            auto got = co_await aya::gather(aya::return_exceptions, std::move(all));
            int good = 0;
            int cut = 0;
            for (auto& outcome : got) {
                try {
                    good += outcome.value().text() == "ok";
                } catch (http::read_error const&) {
                    ++cut;
                }
            }
            CHECK(good == 500);
            CHECK(cut == 500);
            CHECK(client.active_requests() == 0);
        }
        co_await server.stop();
        co_await cuts.stop();
    });
}
