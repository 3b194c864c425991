// SPDX-License-Identifier: Apache-2.0
// Content that is read as it comes, and content that is made while it is sent.
#include "http/server.hpp"

#include <aya/http.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace http = aya::http;
using namespace std::chrono_literals;

namespace {

http::client_options plain() { return {.trust_env = false}; }

aya::async_generator<std::string> numbers(int n) {
    for (int i = 0; i < n; ++i) {
        co_await aya::yield();
        co_yield std::to_string(i) + ";";
    }
}

aya::async_generator<std::string> failing() {
    co_yield std::string("first");
    throw std::domain_error("no more");
}

std::string some_numbers(int n) {
    std::string s;
    for (int i = 0; i < n; ++i)
        s += std::to_string(i) + ";";
    return s;
}

} // namespace

TEST_CASE("http stream: the head comes before the content, the content piece by piece") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        static aya::event* go = nullptr;
        aya::event first_read;
        go = &first_read;
        test::server server([](std::shared_ptr<test::connection> c) -> aya::task<> {
            (void)co_await c->asked();
            (void)co_await c->write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
            co_await go->wait();
            (void)co_await c->write("def");
            co_await c->closed();
        });
        {
            http::client client(plain());
            http::response_stream s = co_await client.stream("GET", server.url());
            CHECK(s.status_code() == 200);
            CHECK(s.headers().get("content-length") == "6");
            CHECK(co_await s.next() == "abc");
            first_read.set();
            CHECK(co_await s.read() == "def");
            CHECK(!(co_await s.next()).has_value());
            CHECK(client.active_requests() == 0);
            s.close();
            CHECK(co_await test::throws<aya::invalid_state_error>(s.next()));
        }
        co_await server.stop();
    });
}

TEST_CASE("http stream: lines, whatever pieces they come in") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server([](std::shared_ptr<test::connection> c) -> aya::task<> {
            (void)co_await c->asked();
            (void)co_await c->write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\ndata: o");
            co_await aya::yield();
            (void)co_await c->write("ne\r\n\nda");
            co_await aya::yield();
            (void)co_await c->write("ta: two\nrest");
        });
        {
            http::client client(plain());
            http::response_stream s = co_await client.stream("GET", server.url());
            CHECK(co_await s.next_line() == "data: one");
            CHECK(co_await s.next_line() == "");
            CHECK(co_await s.next_line() == "data: two");
            CHECK(co_await s.next_line() == "rest");
            CHECK(!(co_await s.next_line()).has_value());
            http::response_stream t = co_await client.stream("GET", server.url());
            CHECK(co_await test::throws<http::protocol_error>([](http::response_stream& u) -> aya::task<> {
                for (auto line = co_await u.next_line(2); line; line = co_await u.next_line(2)) {
                }
            }(t)));
        }
        co_await server.stop();
    });
}

TEST_CASE("http stream: a slow reader holds up the server, and gets everything") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        constexpr std::size_t total = 32 * 1024 * 1024;
        static std::atomic<std::size_t> written;
        written = 0;
        test::server server([](std::shared_ptr<test::connection> c) -> aya::task<> {
            (void)co_await c->asked();
            (void)co_await c->write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(total) + "\r\n\r\n");
            for (std::size_t n = 0; n < total; n += 65536) {
                if (!co_await c->write(std::string(65536, 'x')))
                    co_return;
                written.fetch_add(65536);
            }
        });
        {
            http::client client(plain());
            http::response_stream s = co_await client.stream("GET", server.url());
            std::size_t got = (co_await s.next())->size();
            // The server comes to rest: what it could send lies in sockets and in the client.
            std::size_t before = 0;
            do {
                before = written.load();
                co_await aya::sleep(50ms);
            } while (written.load() != before);
            CHECK(before < total);
            while (auto chunk = co_await s.next())
                got += chunk->size();
            CHECK(got == total);
        }
        co_await server.stop();
    });
}

TEST_CASE("http stream: dropped half way, its connection is closed; read to the end, it is kept") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const& m) { return test::reply(std::string(m.target == "/big" ? 8 << 20 : 10, 'x')); }));
        {
            http::client client(plain());
            {
                http::response_stream s = co_await client.stream("GET", server.url("/big"));
                CHECK(client.active_requests() == 1);
            }
            CHECK(client.active_requests() == 0);
            CHECK(client.open_connections() == 0);
            {
                http::response_stream s = co_await client.stream("GET", server.url());
                CHECK(co_await s.read() == "xxxxxxxxxx");
            }
            CHECK(client.open_connections() == 1);
            (void)co_await client.get(server.url());
            CHECK(server.accepted() == 2);
        }
        co_await server.stop();
    });
}

TEST_CASE("http stream: a request's content is made while it is sent") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const& m) {
            return test::reply(m.method + " " + m.field("Transfer-Encoding") + " " + m.body);
        }));
        {
            http::client client(plain());
            http::content some(numbers(2000));
            CHECK((co_await client.post(server.url(), some)).text() == "POST chunked " + some_numbers(2000));
            http::content none(numbers(0));
            CHECK((co_await client.put(server.url(), none)).text() == "PUT chunked ");
            http::content bad(failing());
            CHECK(co_await test::throws<std::domain_error>(client.post(server.url(), bad)));
            CHECK(client.active_requests() == 0);
            CHECK((co_await client.get(server.url())).text() == "GET  ");
        }
        co_await server.stop();
    });
}

TEST_CASE("http stream: an answer before the end of the question ends it") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server([](std::shared_ptr<test::connection> c) -> aya::task<> {
            (void)co_await c->socket.async_wait(test::tcp::socket::wait_read, test::asio::as_tuple(aya::io::await));
            (void)co_await c->write(test::reply("enough", "413 Payload Too Large", "Connection: close\r\n"));
            co_await c->closed();
        });
        {
            http::client client(plain());
            http::content endless(numbers(1 << 30));
            CHECK((co_await client.post(server.url(), endless)).status_code() == 413);
        }
        co_await server.stop();
    });
}

TEST_CASE("http stream: streamed content is not sent twice") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const&) { return test::reply("", "307 Temporary Redirect", "Location: /x\r\n"); }));
        {
            http::client client({.follow_redirects = true, .trust_env = false});
            http::content once(numbers(3));
            CHECK(co_await test::throws<http::request_error>(client.post(server.url(), once)));
        }
        co_await server.stop();
    });
}

TEST_CASE("http stream: its status; what was read for a line and not used comes first; moved over another one") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const& m) {
            return m.target == "/missing" ? test::reply("no", "404 Not Found") : test::reply("one\ntwo\nthree");
        }));
        {
            http::client client(plain());
            http::response_stream s = co_await client.stream("GET", server.url("/missing"));
            CHECK_FALSE(s.is_success());
            CHECK(s.reason_phrase() == "Not Found");
            CHECK(s.http_version() == "HTTP/1.1");
            CHECK(test::refusal<http::http_status_error>([&] { s.raise_for_status(); }).find("404") != std::string::npos);
            s = co_await client.stream("GET", server.url("/"));
            CHECK(s.is_success());
            s.raise_for_status();
            CHECK(co_await s.next_line() == "one");
            CHECK(co_await s.next() == "two\nthree");
            CHECK_FALSE((co_await s.next()).has_value());
        }
        co_await server.stop();
    });
}
