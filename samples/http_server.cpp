// SPDX-License-Identifier: Apache-2.0
// An HTTP server of Boost.Beast and aya: http_server [PORT]. /hello answers, /slow takes half a second, everything else is 404. At SIGTERM or Ctrl-C it
// accepts no more, lets the requests that are under way end, for five seconds at most, and goes.
#include <aya/aya.hpp>
#include <aya/io/await.hpp>
#include <aya/io/signals.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

using namespace std::chrono_literals;
namespace io = aya::io;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::asio::ip::tcp;

using request = http::request<http::string_body>;
using response = http::response<http::string_body>;

aya::task<response> answer(request const& asked) {
    response r(http::status::ok, asked.version());
    if (asked.target() == "/slow")
        co_await aya::sleep(500ms);
    if (asked.target() == "/hello" || asked.target() == "/slow") {
        r.body() = fmt::format("hello from {}\n", std::string(asked.target()));
    } else {
        r.result(http::status::not_found);
        r.body() = "there is nothing here\n";
    }
    r.set(http::field::content_type, "text/plain");
    co_return r;
}

// One connection. `stopping` is set when the server wants to go: then each answer is the last one.
aya::task<> serve_connection(tcp::socket socket, aya::event& stopping) {
    beast::tcp_stream stream(std::move(socket));
    beast::flat_buffer buffer;
    for (;;) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(16 * 1024);
        parser.body_limit(1024 * 1024);
        boost::system::error_code failed;
        stream.expires_after(30s); // for slow and silent clients
        co_await http::async_read(stream, buffer, parser, io::await(failed));
        if (failed)
            break; // the client has left, or does not speak HTTP
        request const asked = parser.release();
        response r = co_await answer(asked);
        r.keep_alive(asked.keep_alive() && !stopping.is_set());
        r.prepare_payload();
        bool const last = r.need_eof();
        co_await http::async_write(stream, r, io::await(failed));
        if (failed || last)
            break;
    }
    boost::system::error_code none;
    stream.socket().shutdown(tcp::socket::shutdown_send, none);
}

// Until it is cancelled.
aya::task<> accept_all(tcp::acceptor& acceptor, aya::task_group& connections, aya::event& stopping) {
    for (;;) {
        boost::system::error_code failed;
        tcp::socket socket = co_await acceptor.async_accept(io::await(failed));
        if (failed)
            co_await aya::sleep(50ms); // no descriptors left, for one: they wait in the backlog
        else
            connections.create_task(serve_connection(std::move(socket), stopping));
    }
}

aya::task<> serve(aya::task_group& connections, tcp::acceptor& acceptor, aya::event& stopping) {
    auto accepting = aya::create_task(accept_all(acceptor, connections, stopping));
    co_await stopping.wait();
    accepting.cancel();
    try {
        co_await accepting;
    } catch (aya::cancelled_error const&) {
        // As it was meant. The group waits for the connections now.
    }
    acceptor.close();
}

// SIGTERM and Ctrl-C set `stop`, which has to live until they are removed.
void end_by_signals(aya::event& stop) {
    io::add_signal_handler(SIGINT, [&stop] { stop.set(); });
    io::add_signal_handler(SIGTERM, [&stop] { stop.set(); });
}

aya::task<> program(unsigned short port) {
    tcp::acceptor acceptor(io::context(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), port));
    aya::event stopping;
    end_by_signals(stopping);
    fmt::print("listening on 127.0.0.1:{}\n", acceptor.local_endpoint().port());
    std::fflush(stdout);

    auto served = aya::create_task(aya::with_task_group(serve, std::ref(acceptor), std::ref(stopping)));
    co_await stopping.wait();
    // Connections that are idle keep nobody waiting for longer than that.
    aya::wait_options options;
    options.timeout = 5s;
    std::vector<aya::task_handle<void>> connections;
    connections.push_back(served);
    auto ended = co_await aya::wait(std::move(connections), options);
    if (!ended.pending.empty())
        served.cancel();
    io::remove_signal_handler(SIGINT);
    io::remove_signal_handler(SIGTERM);
    try {
        co_await served;
    } catch (aya::cancelled_error const&) {
        fmt::print("some connections were cut\n");
    }
    fmt::print("goodbye\n");
}

int main(int argc, char** argv) {
    aya::run(program(static_cast<unsigned short>(argc > 1 ? std::atoi(argv[1]) : 0)));
}
