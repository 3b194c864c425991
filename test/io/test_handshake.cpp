// SPDX-License-Identifier: Apache-2.0
// TLS handshakes that do not go well: too slow, cut off, on a connection that is closed; and clients that come back.
#include <aya/gather.hpp>
#include <aya/timeout.hpp>
#include <aya/to_thread.hpp>

#include "io/certificate.hpp"
#include "io/raw_sockets.hpp"

#include <doctest/doctest.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdio>
#include <system_error>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

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

/// A server of TLS 1.2 with one client, which decides itself what goes together.
class tls_server {
public:
    explicit tls_server(int client) : socket_(client) {
        ::SSL_CTX_set_max_proto_version(context_.get(), TLS1_2_VERSION);
        ::SSL_CTX_use_certificate_chain_file(context_.get(), test::localhost().file.c_str());
        ::SSL_CTX_use_PrivateKey_file(context_.get(), test::localhost().key.c_str(), SSL_FILETYPE_PEM);
        ssl_.reset(::SSL_new(context_.get()));
        ::SSL_set_bio(ssl_.get(), in_, out_);
        ::SSL_set_accept_state(ssl_.get());
    }
    bool handshake() {
        while (::SSL_do_handshake(ssl_.get()) != 1)
            if (!flush() || !receive())
                return false;
        return flush();
    }
    /// A byte, and the request for another handshake, at once: the client finds both when it looks.
    bool send_and_ask_again(char byte) {
        return ::SSL_write(ssl_.get(), &byte, 1) == 1 && ::SSL_renegotiate(ssl_.get()) == 1 && ::SSL_do_handshake(ssl_.get()) == 1 && flush();
    }
    /// What it makes of the client's answer: the reason of its failure.
    int failure() {
        char c = 0;
        for (;;) {
            ::ERR_clear_error();
            int const n = ::SSL_read(ssl_.get(), &c, 1);
            int const error = ::SSL_get_error(ssl_.get(), n);
            if (error == SSL_ERROR_SSL)
                return ERR_GET_REASON(::ERR_get_error());
            if ((n <= 0 && error != SSL_ERROR_WANT_READ) || !flush() || !receive())
                return 0;
        }
    }

private:
    bool flush() {
        char* bytes = nullptr;
        long const n = BIO_get_mem_data(out_, &bytes);
        bool const sent = n <= 0 || ::send(socket_.descriptor, bytes, static_cast<std::size_t>(n), MSG_NOSIGNAL) == n;
        (void)BIO_reset(out_);
        return sent;
    }
    bool receive() {
        char bytes[4096];
        auto const n = ::recv(socket_.descriptor, bytes, sizeof bytes, 0);
        return n > 0 && ::BIO_write(in_, bytes, static_cast<int>(n)) == n;
    }

    test::raw_socket socket_;
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_{::SSL_CTX_new(::TLS_server_method()), &::SSL_CTX_free};
    BIO* in_ = ::BIO_new(::BIO_s_mem()); // both are the SSL's
    BIO* out_ = ::BIO_new(::BIO_s_mem());
    std::unique_ptr<SSL, void (*)(SSL*)> ssl_{nullptr, &::SSL_free};
};

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
        CHECK((co_await test::code_of(open(port, io::ssl_context::client(), 20ms))) == std::errc::connection_aborted);
        auto leave = [](int on) -> aya::task<> {
            (void)co_await aya::to_thread([](int l) { ::close(::accept(l, nullptr, nullptr)); }, on);
        };
        ::close(::accept(listener.descriptor, nullptr, nullptr)); // the first one
        auto left = aya::create_task(leave(listener.descriptor));
        CHECK((co_await test::code_of(open(port, io::ssl_context::client(), 30s))) == std::errc::connection_reset);
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
        CHECK((co_await test::code_of(writer.start_tls(context, "localhost"))) == std::errc::connection_reset);
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
            auto shaking = aya::create_task(test::code_of(writer.start_tls(context, "localhost")), {.eager_start = true});
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
        test::temporary_folder folder;
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
                                           " -cert " + test::localhost().file + " -key " + test::localhost().key + " " + session + folder.file("session") +
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

TEST_CASE("handshake: a second one is refused, and the connection goes on") {
    REQUIRE(test::localhost().good);
    test::everywhere_in_real_time([]() -> aya::task<> {
        unsigned short port = 0;
        auto const listener = test::raw_listener(port);
        auto ask_twice = [](int on) {
            tls_server server(::accept(on, nullptr, nullptr));
            return server.handshake() && server.send_and_ask_again('x') ? server.failure() : -1;
        };
        auto asking = aya::create_task(aya::to_thread(ask_twice, listener.descriptor));
        auto const trusting = test::trusting_context();
        io::open_options secure;
        secure.ssl = &trusting;
        secure.server_hostname = "localhost";
        auto [reader, writer] = co_await io::open_connection("127.0.0.1", port, secure);
        CHECK(co_await reader.readexactly(1) == "x"); // and what came with it
        writer.write("still here");
        co_await writer.drain();
        CHECK(!writer.is_closing());
        CHECK(co_await asking == SSL_R_NO_RENEGOTIATION); // OpenSSL's own server insists
        writer.abort();
    });
}
