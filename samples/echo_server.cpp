// SPDX-License-Identifier: Apache-2.0
// Sends back what it gets, to any number of clients: echo_server [PORT]. Ctrl-C or SIGTERM ends it when its clients have got all they are owed.
#include <aya/aya.hpp>
#include <aya/io/server.hpp>
#include <aya/io/signals.hpp>

#include <csignal>
#include <cstdlib>
#include <string>

#include <fmt/core.h>

using namespace std::chrono_literals;
namespace io = aya::io;

aya::task<> echo(io::stream_reader reader, io::stream_writer writer) {
    for (;;) {
        std::string const data = co_await aya::timeout(60s, [](io::stream_reader r) { return r.read(64 * 1024); }, reader);
        if (data.empty())
            break;
        writer.write(data);
        co_await writer.drain(); // a client that does not read is not read from either
    }
    writer.close();
    co_await writer.wait_closed();
}

// SIGTERM and Ctrl-C set `stop`, which has to live until they are removed.
void end_by_signals(aya::event& stop) {
    io::add_signal_handler(SIGINT, [&stop] { stop.set(); });
    io::add_signal_handler(SIGTERM, [&stop] { stop.set(); });
}

aya::task<> serve(unsigned short port) {
    auto server = co_await io::start_server(echo, "127.0.0.1", port);
    aya::event stop;
    end_by_signals(stop);
    fmt::print("listening on {}\n", server.sockets().front());
    std::fflush(stdout);

    co_await stop.wait();
    server.close();
    server.close_clients();
    co_await server.wait_closed();
    io::remove_signal_handler(SIGINT);
    io::remove_signal_handler(SIGTERM);
    fmt::print("goodbye\n");
}

int main(int argc, char** argv) {
    aya::run(serve(static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 0)));
}
