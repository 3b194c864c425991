// SPDX-License-Identifier: Apache-2.0
// Each limit of time, and what is left after it: nothing.
#include "http/server.hpp"

#include <aya/gather.hpp>
#include <aya/http.hpp>
#include <aya/timeout.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace http = aya::http;
using namespace std::chrono_literals;

namespace {

http::client_options within(http::timeouts t) { return {.timeout = t, .trust_env = false}; }

http::timeouts total(aya::duration d) {
    http::timeouts t(http::no_timeout);
    t.total = d;
    return t;
}

/// Sends a byte of content now and then, for ever.
aya::task<> drip(std::shared_ptr<test::connection> c) {
    (void)co_await c->asked();
    (void)co_await c->write("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
    for (bool open = true; open; open = co_await c->write("x"))
        co_await aya::sleep(5ms);
}

/// The same with header fields.
aya::task<> drip_head(std::shared_ptr<test::connection> c) {
    (void)co_await c->asked();
    (void)co_await c->write("HTTP/1.1 200 OK\r\nX-Slow: ");
    for (bool open = true; open; open = co_await c->write("x"))
        co_await aya::sleep(5ms);
}

// Again, if the one that trickles had no CPU for as long as the read limit.
aya::task<bool> total_is_over(http::client& client, std::string url) {
    for (int attempt = 0; attempt < 5; ++attempt) {
        try {
            (void)co_await client.get(url);
            co_return false;
        } catch (http::total_timeout const&) {
            co_return true;
        } catch (http::read_timeout const&) {
        }
    }
    co_return false;
}

} // namespace

TEST_CASE("http timeouts: read, when the server says nothing, or stops in the middle") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server silent(test::silent());
        test::server stops([](std::shared_ptr<test::connection> c) -> aya::task<> {
            (void)co_await c->asked();
            (void)co_await c->write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
            co_await c->closed();
        });
        {
            http::timeouts t;
            t.read = 50ms;
            http::client client(within(t));
            CHECK(co_await test::throws<http::read_timeout>(client.get(silent.url())));
            CHECK(co_await test::throws<http::read_timeout>(client.get(stops.url())));
        }
        {
            http::timeouts t;
            t.read = 500ms; // the answer begins before that
            http::client client(within(t));
            http::response_stream s = co_await client.stream("GET", stops.url());
            CHECK(co_await s.next() == "abc");
            CHECK(co_await test::throws<http::timeout_error>(s.next()));
            CHECK(client.active_requests() == 0);
            CHECK(client.open_connections() == 0);
        }
        co_await silent.stop();
        co_await stops.stop();
    });
}

TEST_CASE("http timeouts: a trickle keeps the read limit off, and not the total one") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(drip);
        test::server slow_head(drip_head);
        {
            http::timeouts t = total(300ms);
            t.read = 200ms;
            http::client client(within(t));
            CHECK(co_await total_is_over(client, server.url()));
            CHECK(co_await total_is_over(client, slow_head.url()));
            CHECK(client.open_connections() == 0);
        }
        CHECK(co_await test::eventually([&] { return server.open() == 0 && slow_head.open() == 0; }));
        co_await server.stop();
        co_await slow_head.stop();
    });
}

// What came for the request before is no sign of life.
TEST_CASE("http timeouts: the read limit of a connection that was used before begins anew, and is not longer") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server once([](std::shared_ptr<test::connection> c) -> aya::task<> {
            (void)co_await c->asked();
            (void)co_await c->write(test::reply("once"));
            (void)co_await c->asked();
            co_await c->closed();
        });
        {
            http::timeouts t = total(350ms);
            t.read = 200ms;
            http::client client(within(t));
            http::request first("GET", once.url());
            first.timeout(total(http::no_timeout));
            CHECK((co_await client.request(first)).text() == "once");
            CHECK(co_await test::throws<http::read_timeout>(client.get(once.url())));
            CHECK(once.accepted() == 1);
        }
        co_await once.stop();
    });
}

TEST_CASE("http timeouts: the total one counts redirects and the wait for a place") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server([](std::shared_ptr<test::connection> c) -> aya::task<> {
            std::string const to_itself = test::reply("", "302 Found", "Location: /\r\n");
            while (co_await c->asked()) {
                co_await aya::sleep(20ms);
                (void)co_await c->write(to_itself);
            }
        });
        test::server silent(test::silent());
        {
            http::client client({.timeout = total(200ms), .limits = {.max_connections = 1}, .follow_redirects = true, .max_redirects = 1000000, .trust_env = false});
            CHECK(co_await test::throws<http::total_timeout>(client.get(server.url())));
            http::request patient("GET", silent.url());
            patient.timeout(total(http::no_timeout));
            auto holder = aya::create_task(client.request(patient));
            co_await test::eventually([&] { return client.active_requests() == 1; });
            CHECK(co_await test::throws<http::total_timeout>(client.get(silent.url())));
            holder.cancel();
            CHECK(co_await test::throws<aya::cancelled_error>(holder));
        }
        co_await server.stop();
        co_await silent.stop();
    });
}

TEST_CASE("http timeouts: pool, when all connections are taken") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server silent(test::silent());
        {
            http::timeouts t(http::no_timeout);
            t.pool = 50ms;
            http::client client({.timeout = t, .limits = {.max_connections = 1}, .trust_env = false});
            auto holder = aya::create_task(client.get(silent.url()));
            co_await test::eventually([&] { return client.active_requests() == 1; });
            CHECK(co_await test::throws<http::pool_timeout>(client.get(silent.url())));
            CHECK(client.active_requests() == 1);
            holder.cancel();
            CHECK(co_await test::throws<aya::cancelled_error>(holder));
            CHECK(client.active_requests() == 0);
        }
        {
            http::timeouts t(http::no_timeout);
            t.pool = 50ms;
            http::client client({.timeout = t, .limits = {.max_connections_per_host = 1}, .trust_env = false});
            auto holder = aya::create_task(client.get(silent.url()));
            co_await test::eventually([&] { return client.open_connections() == 1; });
            CHECK(co_await test::throws<http::pool_timeout>(client.get(silent.url())));
            holder.cancel();
            CHECK(co_await test::throws<aya::cancelled_error>(holder));
        }
        co_await silent.stop();
    });
}

TEST_CASE("http timeouts: connect, when TCP or TLS does not come about") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server silent(test::silent());
        // A full backlog: the system answers no more connections.
        test::tcp::acceptor full(aya::io::context());
        full.open(test::tcp::v4());
        full.bind({test::asio::ip::address_v4::loopback(), 0});
        full.listen(0);
        std::string const nobody = "http://127.0.0.1:" + std::to_string(full.local_endpoint().port()) + "/";
        test::tcp::socket one(aya::io::context());
        one.connect(full.local_endpoint());
        {
            http::timeouts t(http::no_timeout);
            t.connect = 50ms;
            http::client client(within(t));
            CHECK(co_await test::throws<http::connect_timeout>(client.get(nobody)));
            std::string const tls = "https" + silent.url().substr(4);
            CHECK(co_await test::throws<http::connect_timeout>(client.get(tls)));
            CHECK(client.open_connections() == 0);
        }
        {
            // Many at once: some wait for a connection that they could share, and which never comes. They do not wait for a place.
            http::timeouts t(http::no_timeout);
            t.connect = 100ms;
            t.pool = 20ms;
            http::client client(within(t));
            std::vector<aya::task<bool>> all;
            for (int i = 0; i < 40; ++i)
                all.push_back(test::throws<http::connect_timeout>(client.get("https" + silent.url().substr(4))));
            std::vector<bool> const timed_out = co_await aya::gather(std::move(all));
            CHECK(std::all_of(timed_out.begin(), timed_out.end(), std::identity()));
        }
        co_await silent.stop();
    });
}

TEST_CASE("http timeouts: aya::timeout() around a request ends it") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server silent(test::silent());
        {
            http::client client(within(http::timeouts(http::no_timeout)));
            CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(client.get(silent.url()), 30ms)));
            CHECK(client.active_requests() == 0);
            CHECK(client.open_connections() == 0);
        }
        co_await silent.stop();
    });
}
