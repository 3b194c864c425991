// SPDX-License-Identifier: Apache-2.0
// Handles that are used when their runtime has gone, or when they were moved from.
#include <aya/io/datagram.hpp>
#include <aya/io/subprocess.hpp>
#include <aya/run.hpp>

#include "io/raw_sockets.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <optional>
#include <system_error>

namespace io = aya::io;

namespace {

aya::task<io::stream_pair> opened(unsigned short port) { co_return co_await io::open_connection("127.0.0.1", port); }

bool is_lost(std::error_code const& code) { return code == std::errc::connection_aborted; }

// With a port that somebody listens on. No descriptor is left.
void on_every_runtime(void (*body)(aya::runtime&, unsigned short), test::place where = test::place::current()) {
    std::size_t const before = test::open_descriptors();
    auto const with_port = [body](aya::runtime& rt) {
        unsigned short port = 0;
        auto const listener = test::raw_listener(port);
        body(rt, port);
    };
    test::on_every_runtime(with_port, {}, where);
    CHECK(test::open_descriptors() == before);
}

} // namespace

TEST_CASE("outlive: streams whose runtime has gone fail, and are closed with their last handle") {
    on_every_runtime([](aya::runtime& rt, unsigned short port) {
        std::optional<io::stream_pair> idle;
        std::optional<io::stream_pair> full;
        {
            aya::runtime gone;
            idle = gone.block_on(opened(port));
            full = gone.block_on(opened(port));
            while (full->second.get_write_buffer_size() == 0)
                full->second.write(std::string(1 << 20, 'x'));
        }
        auto use = [](io::stream_pair ends) -> aya::task<> {
            CHECK(is_lost(co_await test::code_of(ends.first.read(1))));
            ends.second.write("x");
            CHECK(ends.second.is_closing());
            CHECK(ends.second.descriptor() == -1);
        };
        rt.block_on(use(*idle));
        rt.block_on(use(*full));
    });
}

TEST_CASE("outlive: a stream that is only written to, a datagram socket, and a child") {
    on_every_runtime([](aya::runtime& rt, unsigned short port) {
        std::optional<io::stream_pair> stream;
        std::optional<io::datagram_socket> datagrams;
        std::optional<io::process> child;
        {
            aya::runtime gone;
            auto make = [](unsigned short to, std::optional<io::stream_pair>& s, std::optional<io::datagram_socket>& d,
                           std::optional<io::process>& p) -> aya::task<> {
                s = co_await io::open_connection("127.0.0.1", to);
                d = co_await io::bind_datagram("127.0.0.1", 0);
                p = co_await io::create_subprocess_exec("sleep", "1000");
            };
            gone.block_on(make(port, stream, datagrams, child));
        }
        while (!stream->second.is_closing())
            stream->second.write(std::string(1 << 20, 'x')); // nobody would send the rest
        CHECK(!child->returncode());
        int const pid = child->pid();
        child.reset();
        CHECK(::kill(pid, 0) != 0);
        auto use = [](io::datagram_socket d) -> aya::task<> { CHECK(is_lost(co_await test::code_of(d.recvfrom()))); };
        rt.block_on(use(*datagrams));
    });
}

TEST_CASE("outlive: handles that were moved from say so") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port());
        auto const r = std::move(reader);
        auto w = std::move(writer);
        CHECK_THROWS_AS((void)reader.at_eof(), aya::invalid_state_error);
        CHECK_THROWS_AS((void)reader.read(1), aya::invalid_state_error);
        CHECK_THROWS_AS(writer.write("x"), aya::invalid_state_error);
        CHECK_THROWS_AS(writer.close(), aya::invalid_state_error);
        w.close();
        auto s = std::move(server);
        CHECK_THROWS_AS((void)server.port(), aya::invalid_state_error);
        CHECK_THROWS_AS((void)server.wait_closed(), aya::invalid_state_error);
        s.close();
        co_await s.wait_closed();
        auto first = co_await io::bind_datagram("127.0.0.1", 0);
        auto const second = std::move(first);
        CHECK_THROWS_AS((void)first.recvfrom(), aya::invalid_state_error);
        auto p = co_await io::create_subprocess_exec("true");
        auto q = std::move(p);
        CHECK_THROWS_AS((void)p.wait(), aya::invalid_state_error);
        CHECK(co_await q.wait() == 0);
    });
}
