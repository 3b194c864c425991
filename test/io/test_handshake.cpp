// SPDX-License-Identifier: Apache-2.0
// TLS handshakes that do not go well: too slow, cut off, on a connection that is closed; and clients that come back.
#include <aya/gather.hpp>
#include <aya/timeout.hpp>
#include <aya/to_thread.hpp>

#include "io/certificate.hpp"
#include "io/raw_sockets.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <system_error>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

aya::task<std::error_code> code_of(aya::task<> t) {
    std::error_code code;
    try {
        co_await std::move(t);
    } catch (std::system_error const& e) {
        code = e.code();
    }
    co_return code;
}

aya::task<> open(unsigned short port, io::ssl_context context, aya::duration timeout) {
    io::open_options secure;
    secure.ssl = &context;
    secure.server_hostname = "localhost";
    secure.ssl_handshake_timeout = timeout;
    (void)co_await io::open_connection("127.0.0.1", port, secure);
}

bool is_ended(int descriptor) {
    char c = 0;
    return ::recv(descriptor, &c, 1, MSG_DONTWAIT) == 0;
}

std::string output_of(std::string const& command) {
    std::string all;
    std::FILE* const from = ::popen(command.c_str(), "r");
    char part[500];
    while (std::fgets(part, sizeof part, from) != nullptr)
        all += part;
    ::pclose(from);
    return all;
}

aya::task<> keep_reading(io::stream_reader reader, io::stream_writer) { (void)co_await reader.read(); }

} // namespace

TEST_CASE("handshake: a server cuts off a client that is silent, and reports nothing") {
    REQUIRE(test::localhost().good);
    std::atomic<int> reports{0};
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            auto const context = test::server_context();
            io::server_options options;
            options.ssl = &context;
            options.ssl_handshake_timeout = 20ms;
            auto server = co_await io::start_server(test::echo, "127.0.0.1", 0, options);
            auto silent = test::raw_client(server.port());
            CHECK(co_await test::eventually([&] { return is_ended(silent.descriptor); }));
            auto leaving = test::raw_client(server.port());
            leaving.close();
            CHECK(co_await test::eventually([&] { return server.connections() == 0; }));
            server.close();
            co_await server.wait_closed();
        };
        rt.block_on(work());
    }, {.exception_handler = [&](auto const&) { ++reports; }});
    CHECK(reports == 0);
}

TEST_CASE("handshake: a client gives up too, and hears of a server that leaves") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        unsigned short port = 0;
        auto const listener = test::raw_listener(port);
        CHECK((co_await code_of(open(port, io::ssl_context::client(), 20ms))) == std::errc::connection_aborted);
        auto leave = [](int on) -> aya::task<> {
            (void)co_await aya::to_thread([](int l) { ::close(::accept(l, nullptr, nullptr)); }, on);
        };
        ::close(::accept(listener.descriptor, nullptr, nullptr)); // the first one
        auto left = aya::create_task(leave(listener.descriptor));
        CHECK((co_await code_of(open(port, io::ssl_context::client(), 30s))) == std::errc::connection_reset);
        co_await left;
    });
}

TEST_CASE("handshake: not on a connection that is closed, whose descriptor's number may be another one's") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto [reader, writer] = co_await test::connected_to(keep_reading);
        int const number = writer.descriptor();
        writer.close();
        co_await writer.wait_closed();
        // The number goes to the next socket.
        int pair[2];
        CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        test::raw_socket const one(pair[0]);
        test::raw_socket const other(pair[1]);
        auto const context = io::ssl_context::client();
        CHECK((co_await code_of(writer.start_tls(context, "localhost"))) == std::errc::connection_reset);
        char c = 0;
        CHECK(::recv(one.descriptor, &c, 1, MSG_DONTWAIT) < 0);
        CHECK(::recv(other.descriptor, &c, 1, MSG_DONTWAIT) < 0);
        CHECK(number >= 0);
    });
}

TEST_CASE("handshake: closing the connection, or cancelling, ends it") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        for (bool const cancels : {false, true}) {
            auto [reader, writer] = co_await test::connected_to(keep_reading);
            auto const context = io::ssl_context::client();
            auto shaking = aya::create_task(code_of(writer.start_tls(context, "localhost")));
            for (int i = 0; i < 20; ++i)
                co_await aya::yield();
            CHECK(!shaking.done());
            if (cancels) {
                shaking.cancel();
                CHECK(co_await test::throws<aya::cancelled_error>(shaking));
            } else {
                writer.close();
                CHECK((co_await shaking) == std::errc::connection_reset);
            }
            CHECK(co_await test::eventually([&] { return writer.descriptor() == -1; }));
        }
    });
}

TEST_CASE("handshake: a client that comes back with its session is verified, and served") {
    REQUIRE(test::localhost().good);
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::scratch_folder folder;
        auto context = test::server_context();
        context.load_verify_locations(test::localhost().file);
        context.verify(true);
        io::server_options options;
        options.ssl = &context;
        auto greet = [](io::stream_reader reader, io::stream_writer writer) -> aya::task<> {
            writer.write("hello\n");
            (void)co_await reader.readline(); // the client has got its session by then
            writer.close();
        };
        auto server = co_await io::start_server(greet, "127.0.0.1", 0, options);
        for (std::string const version : {"-tls1_2", "-tls1_3"}) {
            for (std::string const session : {"-sess_out ", "-sess_in "}) {
                std::string const client = "(sleep 0.2; echo) | openssl s_client -quiet " + version + " -connect 127.0.0.1:" + std::to_string(server.port()) +
                                           " -cert " + test::localhost().file + " -key " + test::localhost().key + " " + session + (folder / "session") +
                                           " 2>/dev/null";
                std::string const heard = co_await aya::to_thread(output_of, client);
                CHECK(heard == "hello\n");
            }
        }
        server.close();
        co_await server.wait_closed();
    });
}

TEST_CASE("handshake: a server's context may be gone when it starts") {
    REQUIRE(test::localhost().good);
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto start = []() -> aya::task<io::server> {
            auto const context = std::make_unique<io::ssl_context>(test::server_context());
            io::server_options options;
            options.ssl = context.get();
            return io::start_server(test::echo, "127.0.0.1", 0, options);
        };
        auto starting = start();
        auto server = co_await std::move(starting);
        auto const trusting = test::trusting_context();
        co_await open(server.port(), trusting, 30s);
        server.close();
        co_await server.wait_closed();
    });
}
