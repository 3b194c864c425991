// SPDX-License-Identifier: Apache-2.0
// No program that other code starts gets anything that the module has opened.
#include <aya/io/datagram.hpp>
#include <aya/io/files.hpp>
#include <aya/io/signals.hpp>
#include <aya/io/subprocess.hpp>

#include "io/streams.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <set>

namespace io = aya::io;

namespace {

aya::task<> open_one_of_each(std::set<int> before) {
    test::temporary_folder folder;
    auto server = co_await test::echo_server();
    auto local = co_await io::start_unix_server(test::echo, folder.file("socket"));
    auto ends = co_await io::open_connection("127.0.0.1", server.port());
    auto local_ends = co_await io::open_unix_connection(folder.file("socket"));
    ends.second.write("x\n");
    CHECK(co_await ends.first.readline() == "x\n"); // the server has its end
    local_ends.second.write("x\n");
    CHECK(co_await local_ends.first.readline() == "x\n");
    auto datagrams = co_await io::bind_datagram("127.0.0.1", 0);
    io::add_signal_handler(SIGUSR2, [] {});
    io::subprocess_options pipes;
    pipes.standard_input = pipes.standard_output = pipes.standard_error = io::redirect::pipe;
    auto child = co_await io::create_subprocess_shell("cat", pipes);
    CHECK(test::descriptors().size() >= before.size() + 10);
    CHECK(test::inherited_since(before) == "");
    io::remove_signal_handler(SIGUSR2);
    server.close();
    local.close();
    server.abort_clients();
    local.abort_clients();
    co_await server.wait_closed();
    co_await local.wait_closed();
}

} // namespace

TEST_CASE("inherited: every descriptor of streams, servers, datagrams, signals and children is closed on exec") {
    std::set<int> const before = test::descriptors();
    test::on_every_runtime([&](aya::runtime& rt) { rt.block_on(open_one_of_each(before)); });
}
