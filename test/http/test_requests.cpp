// SPDX-License-Identifier: Apache-2.0
// Methods, content, redirects, cookies and the pool, against a server of the test's own.
#include "http/server.hpp"

#include <aya/gather.hpp>
#include <aya/http.hpp>
#include <aya/io/subprocess.hpp>
#include <aya/run.hpp>
#include <aya/timeout.hpp>

#include "support/harness.hpp"
#include "support/processes.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace http = aya::http;
using namespace std::chrono_literals;

namespace {

/// Tells what it was asked.
std::string echo(test::message const& m) {
    return test::reply(m.method == "HEAD" ? "" : m.method + " " + m.target + " [" + m.field("Content-Type") + "] " + m.body, "200 OK",
                       "X-Agent: " + m.field("User-Agent") + "\r\nX-Token: " + m.field("Authorization") + "\r\n");
}

http::client_options plain() { return {.trust_env = false}; }

/// The inodes of what is in the process's epoll sets, where `chosen` says so of a descriptor.
template <class Chosen>
std::set<std::string> watched_files(Chosen chosen) {
    std::set<std::string> inodes;
    for (int const d : test::descriptors()) {
        std::ifstream in("/proc/self/fdinfo/" + std::to_string(d));
        for (std::string line; std::getline(in, line);) {
            int descriptor = 0;
            char inode[32];
            if (std::sscanf(line.c_str(), "tfd: %d events: %*x data: %*x pos:%*d ino:%31s", &descriptor, inode) == 2 && chosen(descriptor))
                inodes.insert(inode);
        }
    }
    return inodes;
}
std::set<std::string> watched_files() {
    return watched_files([](int) { return true; });
}
/// Those of connections to that port.
std::set<std::string> watched_connections(unsigned short port) {
    return watched_files([port](int descriptor) {
        sockaddr_in peer{};
        socklen_t size = sizeof peer;
        return ::getpeername(descriptor, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.sin_family == AF_INET && ntohs(peer.sin_port) == port;
    });
}

} // namespace

TEST_CASE("http: each method, with and without content") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering(echo));
        {
            http::client client(plain());
            CHECK((co_await client.get(server.url("/a?b=c"))).text() == "GET /a?b=c [] ");
            CHECK((co_await client.options(server.url("/"))).text() == "OPTIONS / [] ");
            CHECK((co_await client.delete_(server.url("/x"))).text() == "DELETE /x [] ");
            http::content json = http::json("{}");
            CHECK((co_await client.post(server.url("/p"), json)).text() == "POST /p [application/json] {}");
            CHECK((co_await client.put(server.url("/p"), json)).text() == "PUT /p [application/json] {}");
            CHECK((co_await client.patch(server.url("/p"), json)).text() == "PATCH /p [application/json] {}");
            CHECK((co_await client.post(server.url("/p"))).text() == "POST /p [] ");
            CHECK((co_await client.put(server.url("/p"))).text() == "PUT /p [] ");
            CHECK((co_await client.patch(server.url("/p"))).text() == "PATCH /p [] ");
            http::form form;
            form.add("a", "1").add("b", "x y");
            CHECK((co_await client.post(server.url("/p"), form)).text() == "POST /p [application/x-www-form-urlencoded] a=1&b=x%20y");
            http::response const head = co_await client.head(server.url("/"));
            CHECK(head.status_code() == 200);
            CHECK(head.content().empty());
            CHECK((co_await client.request("PROPFIND", server.url("/"))).text() == "PROPFIND / [] ");
            http::request search("GET", server.url("/s"));
            search.json("[1]");
            CHECK((co_await client.request(search)).text() == "GET /s [application/json] [1]");
            CHECK((co_await client.get(server.url("/a"))).text() == "GET /a [] "); // nothing is left of the others
        }
        CHECK(server.accepted() == 1); // one connection for all of them
        co_await server.stop();
    });
}

TEST_CASE("http: what a response tells") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const& m) {
            return m.target == "/missing" ? test::reply("no", "404 Not Found") : "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" + echo(m);
        }));
        {
            http::client client({.base_url = server.url("/api/"), .headers = {}, .trust_env = false});
            http::request r("GET", "/users");
            r.header("Authorization", "Bearer t");
            http::response const ok = co_await client.request(r);
            CHECK(ok.text() == "GET /api/users [] ");
            CHECK(ok.url() == server.url("/api/users"));
            CHECK(ok.http_version() == "HTTP/1.1");
            CHECK(ok.reason_phrase() == "OK");
            CHECK(ok.headers().get("x-token") == "Bearer t");
            CHECK(ok.headers().get("x-agent", "").starts_with("aya/"));
            CHECK(!ok.headers().contains("X-Early"));
            CHECK(ok.elapsed() > 0ns);
            CHECK(ok.is_success());
            ok.raise_for_status();

            http::response const missing = co_await client.get(server.url("/missing"));
            CHECK(missing.is_client_error());
            bool raised = false;
            try {
                missing.raise_for_status();
            } catch (http::http_status_error const& e) {
                raised = e.status_code() == 404 && e.response().text() == "no" && std::string(e.what()).find("404 Not Found") != std::string::npos;
            }
            CHECK(raised);
        }
        co_await server.stop();
    });
}

TEST_CASE("http: a client's own header fields, unless the request has them; a client that was moved; any case in a scheme") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const& m) {
            return test::reply(m.field("X-Team") + "|" + m.field("User-Agent") + "|" + m.field("Accept-Encoding") + "|" + m.field("Expect") + "|" +
                               m.field("Content-Type"));
        }));
        {
            http::client_options o = plain();
            o.headers.set("X-Team", "a");
            o.headers.set("User-Agent", "mine/1");
            o.headers.set("Accept-Encoding", "identity");
            o.headers.set("Expect", "");
            o.headers.set("Content-Type", "text/x-own");
            http::client made(o);
            http::client moved(std::move(made));
            http::client client(plain());
            client = std::move(moved);
            CHECK((co_await client.get(server.url())).text() == "a|mine/1|identity||text/x-own");
            http::request r("GET", server.url());
            r.header("X-Team", "b").header("User-Agent", "yours/2").header("Accept-Encoding", "gzip").header("Expect", "nothing").header("Content-Type", "text/y");
            CHECK((co_await client.request(r)).text() == "b|yours/2|gzip|nothing|text/y");
            CHECK((co_await client.get("HTTP" + server.url().substr(4))).status_code() == 200);
        }
        co_await server.stop();
    });
}

TEST_CASE("http: redirects are followed when asked for, by httpx's rules") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server other(test::answering(echo));
        std::string const elsewhere = other.url("/there");
        test::server server(test::answering([elsewhere](test::message const& m) {
            if (m.target == "/loop")
                return test::reply("", "302 Found", "Location: /loop\r\n");
            if (m.target == "/303")
                return test::reply("", "303 See Other", "Location: end?x=1\r\n");
            if (m.target == "/301")
                return test::reply("", "301 Moved Permanently", "Location: /end\r\n");
            if (m.target == "/308")
                return test::reply("", "308 Permanent Redirect", "Location: /end\r\n");
            if (m.target == "/nowhere")
                return test::reply("", "302 Found");
            if (m.target == "/broken")
                return test::reply("", "302 Found", "Location: http://[::1/\r\n");
            if (m.target == "/307")
                return test::reply("", "307 Temporary Redirect", "Location: /end\r\n");
            if (m.target == "/far")
                return test::reply("", "302 Found", "Location: " + elsewhere + "\r\n");
            if (m.target == "/file")
                return test::reply("", "302 Found", "Location: file:///etc/passwd\r\n");
            return echo(m);
        }));
        {
            http::client client({.follow_redirects = true, .max_redirects = 5, .trust_env = false});
            http::content json = http::json("{}");
            http::response const seen = co_await client.put(server.url("/303"), json);
            CHECK(seen.text() == "GET /end?x=1 [] ");
            CHECK(seen.url() == server.url("/end?x=1"));
            REQUIRE(seen.history().size() == 1);
            CHECK(seen.history()[0].status_code() == 303);
            CHECK((co_await client.post(server.url("/307"), json)).text() == "POST /end [application/json] {}");
            CHECK((co_await client.post(server.url("/301"), json)).text() == "GET /end [] ");
            CHECK((co_await client.put(server.url("/301"), json)).text() == "PUT /end [application/json] {}");
            CHECK((co_await client.post(server.url("/308"), json)).text() == "POST /end [application/json] {}");
            for (char const* const path : {"/301", "/303", "/far"})
                CHECK((co_await client.head(server.url(path))).method() == "HEAD"); // stays one
            CHECK((co_await client.get(server.url("/nowhere"))).status_code() == 302); // names no place to go to
            CHECK(co_await test::throws<http::invalid_url>(client.get(server.url("/broken"))));
            CHECK(co_await test::throws<http::too_many_redirects>(client.get(server.url("/loop"))));
            CHECK(co_await test::throws<http::unsupported_protocol>(client.get(server.url("/file"))));

            http::request near("GET", server.url("/307"));
            near.header("Authorization", "secret");
            CHECK((co_await client.request(near)).headers().get("x-token") == "secret");
            http::request far("GET", server.url("/far"));
            far.header("Authorization", "secret");
            CHECK((co_await client.request(far)).headers().get("x-token") == ""); // another origin
            far.follow_redirects(false);
            CHECK((co_await client.request(far)).status_code() == 302);
        }
        co_await server.stop();
        co_await other.stop();
    });
}

TEST_CASE("http: cookies come back to their server, unless the client wants none") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const& m) {
            return test::reply(m.field("Cookie"), "200 OK", m.target == "/set" ? "Set-Cookie: id=7; Path=/\r\n" : "");
        }));
        {
            http::client client(plain());
            (void)co_await client.get(server.url("/set"));
            CHECK((co_await client.get(server.url("/"))).text() == "id=7");
            http::client forgetful({.cookies = false, .trust_env = false});
            (void)co_await forgetful.get(server.url("/set"));
            CHECK((co_await forgetful.get(server.url("/"))).text().empty());
        }
        co_await server.stop();
    });
}

TEST_CASE("http: content is decoded, chunks are joined") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        // "hello" by gzip(1), without a name and a time
        static constexpr unsigned char zipped[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 7, 0, 0x86, 0xa6, 0x10, 0x36, 5, 0, 0, 0};
        test::server server(test::answering([](test::message const& m) {
            if (m.target == "/gzip")
                return test::reply({reinterpret_cast<char const*>(zipped), sizeof zipped}, "200 OK", "Content-Encoding: gzip\r\n");
            return std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n");
        }));
        {
            http::client client(plain());
            CHECK((co_await client.get(server.url("/gzip"))).text() == "hello");
            CHECK((co_await client.get(server.url("/chunked"))).text() == "abcde");
        }
        co_await server.stop();
    });
}

TEST_CASE("http: no more connections than the limit, and every request has its turn") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering(echo));
        {
            http::client client({.timeout = http::timeouts(http::no_timeout), .limits = {.max_connections = 3}, .trust_env = false});
            std::vector<aya::task<http::response>> all;
            for (int i = 0; i < 200; ++i)
                all.push_back(client.get(server.url(std::string("/").append(std::to_string(i)))));
            auto const got = co_await aya::gather(std::move(all));
            for (std::size_t i = 0; i < got.size(); ++i)
                CHECK(got[i].text() == std::string("GET /").append(std::to_string(i)).append(" [] "));
            CHECK(client.active_requests() == 0);
            CHECK(client.open_connections() <= 3);
        }
        CHECK(server.accepted() <= 3);
        co_await server.stop();
    });
}

TEST_CASE("http: a request goes through a proxy, unless its host needs none") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::server server(test::answering([](test::message const&) { return test::reply("direct"); }));
        test::server proxy(test::answering([](test::message const& m) { return test::reply("proxy for " + m.target); }));
        {
            http::client client({.proxy = proxy.url("/"), .no_proxy = "127.0.0.1", .trust_env = false});
            CHECK((co_await client.get("http://example.test/x")).text() == "proxy for http://example.test/x");
            CHECK((co_await client.get(server.url("/"))).text() == "direct");
            http::client lost({.proxy = "http://name.invalid:3128", .trust_env = false});
            CHECK(co_await test::throws<http::proxy_error>(lost.get(server.url("/"))));
        }
        co_await server.stop();
        co_await proxy.stop();
    });
}

TEST_CASE("http: virtual time stands still while a request is under way") {
    aya::run(
        []() -> aya::task<> {
            test::server server(test::answering(echo));
            {
                http::client client(plain());
                http::response const r = co_await aya::timeout(1h, [](http::client& c, std::string url) { return c.get(url); }, std::ref(client),
                                                               server.url("/"));
                CHECK(r.status_code() == 200);
            }
            co_await server.stop();
        }(),
        {.virtual_time = true});
}

TEST_CASE("http: a child process gets no connection, nor what curl opens for itself") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::set<int> const before = test::descriptors();
        test::server server(test::answering(echo));
        {
            http::client client(plain());
            CHECK((co_await client.get(server.url("/"))).status_code() == 200);
            std::string look;
            for (int const d : test::descriptors())
                if (before.count(d) == 0)
                    look += "test -e /proc/$$/fd/" + std::to_string(d) + " && echo " + std::to_string(d) + "; ";
            aya::io::subprocess_options options;
            options.standard_output = aya::io::redirect::pipe;
            auto child = co_await aya::io::create_subprocess_shell(look + "echo looked", options);
            auto const found = co_await child.communicate();
            CHECK(look != "");
            CHECK(found.standard_output == "looked\n");
        }
        co_await server.stop();
    });
}

TEST_CASE("http: a connection that is closed leaves the epoll set, though a child of a fork() has it too") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        aya::event asked, answer;
        test::server server([&](std::shared_ptr<test::connection> c) -> aya::task<> {
            CHECK(co_await c->asked());
            asked.set();
            co_await answer.wait();
            CHECK(co_await c->write(test::reply("", "200 OK", "Connection: close\r\n")));
        });
        {
            http::client client(plain());
            auto const request = aya::create_task(client.get(server.url("/")));
            co_await asked.wait();
            std::set<std::string> used; // a connection may be made, and used, before it is watched
            CHECK(co_await test::eventually([&] { return (used = watched_connections(server.port())).size() == 1; }));
            int ends[2];
            REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
            pid_t const child = ::fork();
            if (child == 0) {
                char c = 0;
                ::close(ends[1]);
                (void)!::read(ends[0], &c, 1); // until the parent has seen enough
                ::_exit(0);
            }
            ::close(ends[0]);
            answer.set();
            CHECK((co_await request).status_code() == 200);
            CHECK(client.open_connections() == 0);
            CHECK(watched_files().count(*used.begin()) == 0);
            ::close(ends[1]);
            CHECK(::waitpid(child, nullptr, 0) == child);
        }
        co_await server.stop();
    });
}
