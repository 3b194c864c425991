// SPDX-License-Identifier: Apache-2.0
// The echo server of the I/O figures with Boost.Asio's own coroutines: io_echo_asio [THREADS]. Prints its port.
#include <boost/asio.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

asio::awaitable<void> echo(tcp::socket s) {
    std::array<char, 16 * 1024> bytes;
    for (;;) {
        auto [failed, n] = co_await s.async_read_some(asio::buffer(bytes), asio::as_tuple(asio::use_awaitable));
        if (failed)
            co_return;
        auto [broken, sent] = co_await asio::async_write(s, asio::buffer(bytes, n), asio::as_tuple(asio::use_awaitable));
        if (broken)
            co_return;
    }
}

asio::awaitable<void> serve(tcp::acceptor& a) {
    for (;;) {
        tcp::socket s = co_await a.async_accept(asio::use_awaitable);
        s.set_option(tcp::no_delay(true));
        auto const where = s.get_executor();
        asio::co_spawn(where, echo(std::move(s)), asio::detached);
    }
}

} // namespace

int main(int argc, char** argv) {
    int const threads = argc > 1 ? std::atoi(argv[1]) : 1;
    asio::io_context context(threads);
    tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    acceptor.listen(1024);
    std::printf("%u\n", static_cast<unsigned>(acceptor.local_endpoint().port()));
    std::fflush(stdout);
    asio::co_spawn(context, serve(acceptor), asio::detached);
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i)
        others.emplace_back([&] { context.run(); });
    context.run();
}
