// SPDX-License-Identifier: Apache-2.0
// The echo server of the I/O figures: io_echo [WORKERS], 0 for the event loop. Prints its port.
#include <aya/io/server.hpp>
#include <aya/run.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

aya::task<> echo(aya::io::stream_reader reader, aya::io::stream_writer writer) {
    for (;;) {
        std::string const data = co_await reader.read(64 * 1024);
        if (data.empty())
            co_return;
        writer.write(data);
        co_await writer.drain();
    }
}

aya::task<> serve() {
    auto server = co_await aya::io::start_server(echo, "127.0.0.1", 0, {.backlog = 1024});
    std::printf("%u\n", static_cast<unsigned>(server.port()));
    std::fflush(stdout);
    co_await server.serve_forever();
}

} // namespace

int main(int argc, char** argv) {
    int const workers = argc > 1 ? std::atoi(argv[1]) : 2;
    if (workers == 0)
        aya::run(serve(), {.scheduler = aya::scheduler_kind::event_loop});
    else
        aya::run(serve(), {.workers = static_cast<std::size_t>(workers)});
}
