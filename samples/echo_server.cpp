// SPDX-License-Identifier: Apache-2.0
// Sends back what it gets, to any number of clients: echo_server [PORT]. Ctrl-C or SIGTERM ends it when its clients have got all they are owed,
// or after five seconds.
#include <aya/aya.hpp>
#include <aya/io/server.hpp>
#include <aya/io/signals.hpp>

#include <csignal>
#include <cstdlib>
#include <string>

#include <fmt/core.h>

using namespace std::chrono_literals;
namespace io = aya::io;

// A client that does not read is not read from either, and not for ever.
aya::task<> send(io::stream_writer writer, std::string data) {
    writer.write(data);
    co_await writer.drain();
}

aya::task<> echo(io::stream_reader reader, io::stream_writer writer) {
    for (;;) {
        std::string const data = co_await aya::timeout(60s, [](io::stream_reader r) { return r.read(64 * 1024); }, reader);
        if (data.empty())
            break;
        co_await aya::timeout(60s, send, writer, data);
    }
    writer.close();
    co_await writer.wait_closed();
}

// SIGTERM and Ctrl-C set `stop`, which has to live until they are removed.
void end_by_signals(aya::event& stop) {
    io::add_signal_handler(SIGINT, [&stop] { stop.set(); });
    io::add_signal_handler(SIGTERM, [&stop] { stop.set(); });
}

// Who has not taken what it is owed by then is cut off.
aya::task<> end_in_time(io::server server) {
    bool in_time = true;
    try {
        co_await aya::timeout(5s, [](io::server s) { return s.wait_closed(); }, server);
    } catch (aya::timeout_error const&) {
        in_time = false;
    }
    if (!in_time)
        server.abort_clients();
    co_await server.wait_closed();
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
    co_await end_in_time(server);
    io::remove_signal_handler(SIGINT);
    io::remove_signal_handler(SIGTERM);
    fmt::print("goodbye\n");
}

int main(int argc, char** argv) {
    aya::run(serve(static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 0)));
}
