// SPDX-License-Identifier: Apache-2.0
// TLS streams: verified unless told otherwise.
#include <aya/gather.hpp>
#include <aya/io/tls.hpp>

#include "io/certificate.hpp"
#include "io/streams.hpp"

#include <doctest/doctest.h>

#include <stdexcept>
#include <string_view>
#include <vector>

#include <sys/ioctl.h>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

using test::localhost;
using test::server_context;
using test::trusting_context;

aya::task<std::string> failure_of(aya::task<io::stream_pair> t) {
    try {
        (void)co_await std::move(t);
    } catch (io::ssl_cert_verification_error const& e) {
        co_return std::string("verification: ") + e.what();
    } catch (io::ssl_error const& e) {
        co_return e.what();
    }
    co_return std::string();
}

} // namespace

TEST_CASE("tls: an encrypted echo of small and large messages, on many connections") {
    REQUIRE(localhost().good);
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto const of_server = server_context();
        auto const of_client = trusting_context();
        io::server_options options;
        options.ssl = &of_server;
        auto server = co_await io::start_server(test::echo, "127.0.0.1", 0, options);
        auto client = [](io::ssl_context context, unsigned short port) -> aya::task<> {
            io::open_options secure;
            secure.ssl = &context;
            secure.server_hostname = "localhost";
            auto [reader, writer] = co_await io::open_connection("127.0.0.1", port, secure);
            for (std::size_t size : {std::size_t{1}, std::size_t{1000}, std::size_t{100000}}) {
                std::string const message(size, 'x');
                writer.write(message);
                co_await writer.drain();
                CHECK(co_await reader.readexactly(size) == message);
            }
            CHECK(!writer.can_write_eof());
            writer.close();
            co_await writer.wait_closed();
        };
        std::vector<aya::task<>> clients;
        for (int i = 0; i < 10; ++i)
            clients.push_back(client(of_client, server.port()));
        co_await aya::gather(std::move(clients));
        server.close();
        co_await server.wait_closed();
    });
}

TEST_CASE("tls: an unknown authority, another host's name, and no TLS at all are refused") {
    REQUIRE(localhost().good);
    std::atomic<int> reports{0};
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            auto const of_server = server_context();
            io::server_options options;
            options.ssl = &of_server;
            auto server = co_await io::start_server(test::echo, "127.0.0.1", 0, options);
            auto const strict = io::ssl_context::client();
            auto const trusting = trusting_context();
            io::open_options secure;
            secure.ssl = &strict;
            std::string what = co_await failure_of(io::open_connection("127.0.0.1", server.port(), secure));
            CHECK(what.find("verification") == 0);
            secure.ssl = &trusting;
            secure.server_hostname = "example.org";
            what = co_await failure_of(io::open_connection("127.0.0.1", server.port(), secure));
            CHECK(what.find("verification") == 0);
            CHECK(what.find("ostname mismatch") != std::string::npos);
            auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port());
            writer.write("GET / HTTP/1.0\r\n\r\n"); // the server's handshake fails
            (void)co_await reader.read();
            CHECK(reader.at_eof());
            auto careless = io::ssl_context::client();
            careless.verify(false);
            secure.ssl = &careless;
            auto [r, w] = co_await io::open_connection("127.0.0.1", server.port(), secure);
            w.write("x");
            CHECK(co_await r.readexactly(1) == "x");
            w.close();
            server.close();
            co_await server.wait_closed();
        };
        rt.block_on(work());
    }, {.exception_handler = [&](auto const&) { ++reports; }});
    CHECK(reports > 0);
}

TEST_CASE("tls: a connection goes on with TLS when both sides say so") {
    REQUIRE(localhost().good);
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto upgrade = [](io::stream_reader reader, io::stream_writer writer) -> aya::task<> {
            if (co_await reader.readline() != "STARTTLS\n")
                co_return;
            writer.write("go\n");
            auto context = server_context();
            context.set_alpn_protocols({"test/1"});
            co_await writer.start_tls_as_server(context);
            writer.write(co_await reader.readline());
            writer.close();
            co_await writer.wait_closed();
        };
        auto [reader, writer] = co_await test::connected_to(upgrade);
        CHECK(writer.alpn_protocol().empty());
        CHECK(co_await test::throws<std::invalid_argument>(writer.start_tls(trusting_context(), "localhost", 0s)));
        writer.write("STARTTLS\n");
        CHECK(co_await reader.readline() == "go\n");
        auto context = trusting_context();
        context.set_alpn_protocols({"other/2", "test/1"});
        co_await writer.start_tls(context, "localhost");
        CHECK(writer.alpn_protocol() == "test/1");
        CHECK(test::refusal([w = &writer] { w->write_eof(); }).find("TLS") != std::string::npos);
        CHECK(co_await test::throws<aya::invalid_state_error>(writer.start_tls(context, "localhost"))); // a second time
        writer.write("secret\n");
        CHECK(co_await reader.readline() == "secret\n");
        CHECK((co_await reader.read()).empty());
    });
}

TEST_CASE("tls: what comes before start_tls is read is part of the handshake") {
    REQUIRE(localhost().good);
    test::everywhere_in_real_time([]() -> aya::task<> {
        static constexpr std::string_view line = "STARTTLS\n";
        auto upgrade = [](io::stream_reader reader, io::stream_writer writer) -> aya::task<> {
            // Both the line and the client's first message are there before anything is read.
            CHECK(co_await test::eventually([&] {
                int waiting = 0;
                return ::ioctl(writer.descriptor(), FIONREAD, &waiting) == 0 && waiting > static_cast<int>(line.size());
            }));
            CHECK(co_await reader.readline() == line);
            co_await writer.start_tls_as_server(server_context());
            writer.write(co_await reader.readline());
            writer.close();
            co_await writer.wait_closed();
        };
        auto [reader, writer] = co_await test::connected_to(upgrade);
        CHECK(writer.sockname().starts_with("127.0.0.1:"));
        writer.write(line);
        co_await writer.start_tls(trusting_context(), "localhost");
        writer.write("secret\n");
        CHECK(co_await reader.readline() == "secret\n");
        CHECK((co_await reader.read()).empty());
    });
}

TEST_CASE("tls: a name has to be given where it is checked, and need not be where it is not; protocols have names") {
    REQUIRE(localhost().good);
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto as_server = [](io::stream_reader reader, io::stream_writer writer) -> aya::task<> {
            co_await writer.start_tls_as_server(server_context());
            writer.write(co_await reader.readline());
            writer.close();
            co_await writer.wait_closed();
        };
        auto [reader, writer] = co_await test::connected_to(as_server);
        auto context = trusting_context();
        CHECK(co_await test::throws<io::ssl_error>(writer.start_tls(context, "")));
        for (std::string const& name : std::vector<std::string>{"", std::string(256, 'x')})
            CHECK(test::refusal<std::invalid_argument>([&] { context.set_alpn_protocols({name}); }).find("1 to 255") != std::string::npos);
        auto [other_reader, other_writer] = co_await test::connected_to(as_server);
        context.check_hostname(false);
        co_await other_writer.start_tls(context, "another.example"); // the certificate is checked, its name is not
        CHECK(other_writer.alpn_protocol().empty());
        other_writer.write("unnamed\n");
        CHECK(co_await other_reader.readline() == "unnamed\n");
        writer.abort();
    });
}
