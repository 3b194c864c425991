// SPDX-License-Identifier: Apache-2.0
// The HTTP client of the figures with Boost.Beast on Asio's own coroutines: http_client_beast THREADS URL REQUESTS CONCURRENCY. Prints requests a second.
//
// A connection of its own for each coroutine, kept alive: what a pool with as many places comes to. Header fields are kept as Beast keeps them, the body is a string.
#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using steady = std::chrono::steady_clock;

namespace {

// Of http://HOST:PORT/PATH.
struct parts {
    explicit parts(std::string const& url) {
        std::size_t const begin = url.find("//") + 2;
        std::size_t const slash = url.find('/', begin);
        authority = url.substr(begin, slash - begin);
        path = url.substr(slash);
        std::size_t const colon = authority.find(':');
        to = tcp::endpoint(asio::ip::make_address(authority.substr(0, colon)), static_cast<unsigned short>(std::stoi(authority.substr(colon + 1))));
    }
    std::string authority;
    std::string path;
    tcp::endpoint to;
};

struct client {
    explicit client(asio::io_context& c) : stream(c) {}
    beast::tcp_stream stream;
    beast::flat_buffer buffer;
};

asio::awaitable<void> get(client& c, parts const& where) {
    http::request<http::empty_body> question(http::verb::get, where.path, 11);
    question.set(http::field::host, where.authority);
    question.set(http::field::user_agent, "beast");
    question.set(http::field::accept, "*/*");
    c.stream.expires_after(std::chrono::seconds(30)); // as every client has a limit
    co_await http::async_write(c.stream, question, asio::use_awaitable);
    http::response<http::string_body> answer;
    co_await http::async_read(c.stream, c.buffer, answer, asio::use_awaitable);
    if (answer.result() != http::status::ok || answer.body().empty())
        std::abort();
}

asio::awaitable<void> connect(client& c, parts const& where) {
    co_await c.stream.async_connect(where.to, asio::use_awaitable);
    c.stream.socket().set_option(tcp::no_delay(true));
    co_await get(c, where);
}

asio::awaitable<void> one_after_the_other(client& c, parts const& where, std::atomic<int>& left) {
    while (left.fetch_sub(1) > 0)
        co_await get(c, where);
}

void rethrow(std::exception_ptr const& e) {
    if (e)
        std::rethrow_exception(e);
}

void run(asio::io_context& context, int threads) {
    std::vector<std::jthread> others;
    for (int i = 1; i < threads; ++i)
        others.emplace_back([&] { context.run(); });
    context.run();
    others.clear();
    context.restart();
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5)
        return 2;
    int const threads = std::atoi(argv[1]);
    parts const where(argv[2]);
    int const requests = std::atoi(argv[3]);
    int const concurrency = std::atoi(argv[4]);
    asio::io_context context(threads);
    std::vector<std::unique_ptr<client>> clients;
    for (int i = 0; i < concurrency; ++i) {
        clients.push_back(std::make_unique<client>(context));
        asio::co_spawn(context, connect(*clients.back(), where), rethrow);
    }
    run(context, threads);
    std::atomic<int> left{requests};
    auto const start = steady::now();
    for (auto const& c : clients)
        asio::co_spawn(context, one_after_the_other(*c, where, left), rethrow);
    run(context, threads);
    std::printf("%.0f\n", requests / std::chrono::duration<double>(steady::now() - start).count());
}
