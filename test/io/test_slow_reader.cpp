// SPDX-License-Identifier: Apache-2.0
// A peer that is always ahead of its reader: the reader hears of its timeout all the same, and others get their turn.
#include "io/certificate.hpp"
#include "io/raw_sockets.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
namespace io = aya::io;

TEST_CASE("slow reader: a timeout stops a reader whose data is always there") {
    test::on_every_runtime([](aya::runtime& rt) {
        test::flooding_server const peer;
        auto work = [](unsigned short port) -> aya::task<> {
            auto [reader, writer] = co_await io::open_connection("127.0.0.1", port);
            CHECK(co_await test::slow_reader_is_stopped(reader));
            writer.abort();
        };
        rt.block_on(work(peer.port));
    });
}

TEST_CASE("slow reader: over TLS too") {
    REQUIRE(test::localhost().good);
    test::on_every_runtime([](aya::runtime& rt) {
        auto const context = test::server_context();
        io::server_options encrypted;
        encrypted.ssl = &context;
        test::flooding_server const peer(encrypted);
        auto work = [](unsigned short port) -> aya::task<> {
            auto const trusting = test::trusting_context();
            io::open_options secure;
            secure.ssl = &trusting;
            secure.server_hostname = "localhost";
            auto [reader, writer] = co_await io::open_connection("127.0.0.1", port, secure);
            CHECK(co_await test::slow_reader_is_stopped(reader));
            writer.abort();
        };
        rt.block_on(work(peer.port));
    });
}
