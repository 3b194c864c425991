// SPDX-License-Identifier: Apache-2.0
// What the tests of streams share.
#pragma once

#include <aya/io/server.hpp>
#include <aya/io/stream.hpp>

#include "support/harness.hpp"
#include "support/processes.hpp"

#include <memory>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

namespace test {

/// Sends everything back.
inline aya::task<> echo(aya::io::stream_reader reader, aya::io::stream_writer writer) {
    for (;;) {
        std::string const data = co_await reader.read(64 * 1024);
        if (data.empty())
            break;
        writer.write(data);
        co_await writer.drain();
    }
    writer.close();
    co_await writer.wait_closed();
}

inline aya::task<aya::io::server> echo_server() { return aya::io::start_server(echo, "127.0.0.1", 0); }

/// A line to an echo server, and back.
inline aya::task<> ask(unsigned short port) {
    auto [reader, writer] = co_await aya::io::open_connection("127.0.0.1", port);
    writer.write("hello\n");
    std::string const answer = co_await reader.readline();
    if (answer != "hello\n")
        throw std::runtime_error("the echo server said \"" + answer + '"');
    writer.close();
    co_await writer.wait_closed();
}

/// A server that does `f` for its one client, and the client's ends.
template <class F>
aya::task<aya::io::stream_pair> connected_to(F f, aya::io::open_options options = {}) {
    auto const begun = std::make_shared<aya::event>();
    auto serve = [f, begun](aya::io::stream_reader r, aya::io::stream_writer w) {
        begun->set();
        return f(std::move(r), std::move(w));
    };
    auto s = co_await aya::io::start_server(serve, "127.0.0.1", 0);
    auto ends = co_await aya::io::open_connection("127.0.0.1", s.port(), options);
    co_await begun->wait();
    s.close();
    co_return ends;
}

/// A server whose handler throws `error`, and a client that sees its end.
template <class Error>
aya::task<> client_of_a_handler_that_throws(Error error) {
    auto fail = [error](aya::io::stream_reader, aya::io::stream_writer) -> aya::task<> {
        co_await aya::yield();
        throw error;
    };
    auto s = co_await aya::io::start_server(fail, "127.0.0.1", 0);
    auto [reader, writer] = co_await aya::io::open_connection("127.0.0.1", s.port());
    std::string const heard = co_await reader.read(1);
    if (!heard.empty())
        throw std::runtime_error("the client has heard something");
    s.close();
    co_await s.wait_closed();
}

/// The std::system_error's that comes out of it.
template <class T>
aya::task<std::error_code> code_of(aya::task<T> t) {
    std::error_code code;
    try {
        (void)co_await std::move(t);
    } catch (std::system_error const& e) {
        code = e.code();
    }
    co_return code;
}

} // namespace test
