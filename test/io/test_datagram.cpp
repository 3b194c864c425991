// SPDX-License-Identifier: Apache-2.0
// Datagrams, names, files.
#include <aya/io/datagram.hpp>
#include <aya/io/files.hpp>
#include <aya/timeout.hpp>

#include "io/streams.hpp"

#include <doctest/doctest.h>

#include <system_error>

using namespace std::chrono_literals;
namespace io = aya::io;

TEST_CASE("datagram: there and back") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await io::bind_datagram("127.0.0.1", 0);
        auto client = co_await io::connect_datagram("127.0.0.1", server.sockname().port());
        co_await client.send("ping");
        auto got = co_await server.recvfrom();
        CHECK(got.data == "ping");
        CHECK(got.from.text() == client.sockname().text());
        co_await server.sendto("pong", got.from);
        CHECK((co_await client.recvfrom()).data == "pong");
        CHECK(co_await test::throws<aya::timeout_error>(aya::wait_for(client.recvfrom(), 2ms)));
        co_await server.sendto("later", got.from);
        CHECK((co_await client.recvfrom()).data == "later");
    });
}

TEST_CASE("datagram: nobody listens") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        unsigned short port = 0;
        {
            auto gone = co_await io::bind_datagram("127.0.0.1", 0);
            port = gone.sockname().port();
        }
        auto client = co_await io::connect_datagram("127.0.0.1", port);
        co_await client.send("hello?");
        std::error_code code;
        try {
            (void)co_await client.recvfrom();
        } catch (std::system_error const& e) {
            code = e.code();
        }
        CHECK(code == std::errc::connection_refused);
    });
}

TEST_CASE("address: numbers, names, text") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        CHECK(io::numeric_address("127.0.0.1", 80).text() == "127.0.0.1:80");
        CHECK(io::numeric_address("::1", 443).text() == "[::1]:443");
        CHECK_THROWS_AS((void)io::numeric_address("localhost", 80), std::system_error);
        auto const found = co_await io::getaddrinfo("localhost", "80");
        CHECK(!found.empty());
        CHECK(found.front().port() == 80);
        CHECK(std::string(io::resolver_category().name()) == "getaddrinfo");
        CHECK(io::address().text().empty());
        CHECK(io::address().port() == 0);
        sockaddr const unnamed{.sa_family = AF_UNIX, .sa_data = {}};
        CHECK(io::address(&unnamed, sizeof unnamed.sa_family).text().empty()); // a Unix socket without a name
        CHECK(io::address(&unnamed, sizeof unnamed.sa_family).port() == 0);
        CHECK(co_await test::throws<std::invalid_argument>(io::getaddrinfo("localhost", "65536")));
        CHECK(co_await test::throws<std::invalid_argument>(io::getaddrinfo("localhost", "123456")));
        CHECK((co_await io::getaddrinfo("", "80", AF_INET, true)).front().text() == "0.0.0.0:80"); // to listen on all of this host's
    });
}

TEST_CASE("files: written, appended to, read") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::temporary_folder folder;
        std::string const path = folder.file("file");
        std::string const much(300'000, 'x');
        co_await io::write_file(path, much);
        co_await io::append_file(path, "end");
        CHECK(co_await io::read_file(path) == much + "end");
        co_await io::write_file(path, "short");
        CHECK(co_await io::read_file(path) == "short");
        std::string what;
        try {
            (void)co_await io::read_file(folder.file("nothing"));
        } catch (std::system_error const& e) {
            what = e.code() == std::errc::no_such_file_or_directory ? e.what() : "another error";
        }
        CHECK(what.find("nothing") != std::string::npos);
    });
}
