// SPDX-License-Identifier: Apache-2.0
// Servers to their ends: what is still to be sent, whose errors are reported, and who else has the path.
#include <aya/gather.hpp>
#include <aya/timeout.hpp>
#include <aya/to_thread.hpp>

#include "io/raw_sockets.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <system_error>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

constexpr std::size_t much = 8 << 20; // more than the system keeps

// Leaves more behind than can be sent.
aya::task<> answer_and_close(io::stream_reader reader, io::stream_writer writer) {
    (void)co_await reader.readexactly(1);
    writer.write(std::string(much, 'x'));
    writer.close();
}

std::size_t read_to_the_end(int descriptor) {
    std::string room(64 * 1024, '\0');
    std::size_t all = 0;
    for (;;) {
        auto const n = ::recv(descriptor, room.data(), room.size(), 0);
        if (n <= 0)
            return all;
        all += static_cast<std::size_t>(n);
    }
}

aya::task<> wait_closed(io::server s) { co_await s.wait_closed(); }

aya::task<> nothing(io::stream_reader, io::stream_writer) { co_return; }

} // namespace

TEST_CASE("server: wait_closed waits until everything is sent, not for the handlers alone") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto ended = std::make_shared<aya::event>();
        auto serve = [ended](io::stream_reader r, io::stream_writer w) -> aya::task<> {
            co_await answer_and_close(std::move(r), std::move(w));
            ended->set();
        };
        auto server = co_await io::start_server(serve, "127.0.0.1", 0);
        auto client = test::raw_client(server.port());
        CHECK(::send(client.descriptor, "x", 1, MSG_NOSIGNAL) == 1);
        co_await ended->wait();
        server.close();
        auto closing = aya::create_task(wait_closed(server));
        for (int i = 0; i < 100; ++i)
            co_await aya::yield();
        CHECK(!closing.done());
        CHECK(server.connections() == 1);
        CHECK(co_await aya::to_thread(read_to_the_end, client.descriptor) == much);
        co_await closing;
        CHECK(server.connections() == 0);
    });
}

TEST_CASE("server: abort_clients ends connections whose handlers have ended") {
    std::size_t const before = test::open_descriptors();
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await io::start_server(answer_and_close, "127.0.0.1", 0);
        std::vector<test::raw_socket> clients;
        for (int i = 0; i < 5; ++i) {
            clients.push_back(test::raw_client(server.port()));
            CHECK(::send(clients.back().descriptor, "x", 1, MSG_NOSIGNAL) == 1);
        }
        CHECK(co_await test::eventually([&] { return server.connections() == clients.size(); }));
        auto const readable = [&] {
            char c = 0;
            return std::all_of(clients.begin(), clients.end(),
                               [&](auto const& s) { return ::recv(s.descriptor, &c, 1, MSG_DONTWAIT | MSG_PEEK) == 1; });
        };
        CHECK(co_await test::eventually(readable));
        server.close();
        server.abort_clients();
        co_await aya::timeout(30s, wait_closed, server);
        CHECK(server.connections() == 0);
    });
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("server: serve_forever ends when the server is closed, and does not begin after") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await io::start_server(nothing, "127.0.0.1", 0);
        auto serving = aya::create_task(server.serve_forever(), {.eager_start = true}); // it serves before the next line
        server.close();
        CHECK(co_await test::throws<aya::cancelled_error>(aya::wait_for(serving, 30s)));
        CHECK(co_await test::throws<aya::invalid_state_error>(server.serve_forever()));
        co_await server.wait_closed();
    });
}

TEST_CASE("server: a handler's reset is reported when it is not its client's") {
    std::atomic<int> reports{0};
    test::on_every_runtime([&](aya::runtime& rt) {
        reports = 0;
        std::system_error const of_others(ECONNRESET, std::generic_category(), "a connection to somewhere else");
        rt.block_on(test::client_of_a_handler_that_throws(of_others));
        CHECK(reports == 1);
        auto reset = []() -> aya::task<> {
            auto server = co_await test::echo_server();
            auto client = test::raw_client(server.port());
            CHECK(co_await test::eventually([&] { return server.connections() == 1; }));
            linger const at_once{1, 0};
            CHECK(::setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
            client.close();
            CHECK(co_await test::eventually([&] { return server.connections() == 0; }));
            server.close();
            co_await server.wait_closed();
        };
        rt.block_on(reset());
        CHECK(reports == 1);
    }, {.exception_handler = [&](auto const&) { ++reports; }});
}

TEST_CASE("server: a Unix socket whose backlog is full has a server, and starting another one does not wait") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::temporary_folder folder;
        std::string const path = folder.file("socket");
        test::full_listener const busy(path);
        CHECK(busy.good);
        std::error_code code;
        try {
            (void)co_await io::start_unix_server(nothing, path);
        } catch (std::system_error const& e) {
            code = e.code();
        }
        CHECK(code == std::errc::address_in_use);
    });
}

TEST_CASE("server: a client of a Unix socket whose backlog is full waits for its turn") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::temporary_folder folder;
        std::string const path = folder.file("socket");
        test::full_listener busy(path);
        CHECK(busy.good);
        auto opening = aya::create_task(io::open_unix_connection(path));
        for (int i = 0; i < 100; ++i)
            co_await aya::yield();
        CHECK(!opening.done());
        busy.accept_one();
        auto [reader, writer] = co_await opening;
        CHECK(writer.peername() == path);
    });
}

TEST_CASE("server: an abstract name is what everybody takes it for") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        std::string const name = std::string(1, '\0') + "aya-test-" + std::to_string(::getpid());
        auto server = co_await io::start_unix_server(nothing, name);
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        std::memcpy(a.sun_path, name.data(), name.size());
        test::raw_socket const client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        CHECK(::connect(client.descriptor, reinterpret_cast<sockaddr const*>(&a),
                        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0);
        server.close();
        co_await server.wait_closed();
    });
}

TEST_CASE("server: bad options are refused, with their names") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        io::server_options options;
        options.limit = 0;
        CHECK(co_await test::throws<std::invalid_argument>(io::start_server(nothing, "127.0.0.1", 0, options)));
        options = {};
        options.ssl_handshake_timeout = 0s;
        CHECK(co_await test::throws<std::invalid_argument>(io::start_server(nothing, "127.0.0.1", 0, options)));
        CHECK(co_await test::throws<std::invalid_argument>(io::open_connection("127.0.0.1", "70000")));
    });
}

TEST_CASE("server: two share a port when both say so; IPv6 has a socket of its own") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        io::server_options shared;
        shared.reuse_port = true;
        auto first = co_await io::start_server(test::echo, "127.0.0.1", 0, shared);
        auto second = co_await io::start_server(test::echo, "127.0.0.1", first.port(), shared);
        CHECK(second.port() == first.port());
        CHECK(co_await test::code_of(io::start_server(test::echo, "127.0.0.1", first.port())) == std::errc::address_in_use);
        for (int i = 0; i < 8; ++i)
            co_await test::ask(first.port()); // whichever of them takes it
        first.close();
        co_await first.wait_closed();
        co_await test::ask(second.port());
        second.close();
        co_await second.wait_closed();
        std::optional<io::server> six, four;
        std::error_code none;
        // Whoever has the same port of the other family, other tests' connections perhaps, has it only for now.
        for (int attempt = 0; attempt < 100 && !four && !none; ++attempt) {
            try {
                six = co_await io::start_server(test::echo, "::1", 0);
            } catch (std::system_error const& e) {
                none = e.code();
                continue;
            }
            try {
                four = co_await io::start_server(test::echo, "127.0.0.1", six->port()); // the same port of the other family
                continue;
            } catch (std::system_error const& e) {
                CHECK(e.code() == std::errc::address_in_use);
            }
            six->close();
            co_await six->wait_closed();
        }
        if (none) { // a machine without IPv6
            bool const not_here = none == std::errc::address_family_not_supported || none == std::errc::address_not_available;
            CHECK(not_here);
            co_return;
        }
        REQUIRE(four.has_value());
        auto [reader, writer] = co_await io::open_connection("::1", six->port());
        CHECK(writer.peername() == "[::1]:" + std::to_string(six->port()));
        writer.close();
        co_await writer.wait_closed();
        four->close();
        six->close();
        co_await four->wait_closed();
        co_await six->wait_closed();
    });
}
