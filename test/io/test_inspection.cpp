// SPDX-License-Identifier: Apache-2.0
// What a task tree says of tasks that wait for I/O: which operation, and, of the library's own streams, on which descriptor.
#include <aya/aya.hpp>
#include <aya/io.hpp>
#include <aya/task_tree.hpp>

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <boost/asio.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

aya::task_info info_of(std::string const& name) {
    auto const tree = aya::capture_tasks();
    auto const found = std::find_if(tree.tasks.begin(), tree.tasks.end(), [&](auto const& t) { return t.name == name; });
    return found == tree.tasks.end() ? aya::task_info() : *found;
}

// Of a task that runs `body`, once it waits; it is cancelled then.
aya::task<aya::task_info> waiting(aya::task<> body) {
    auto const h = aya::create_task(std::move(body), {.name = "waiting"});
    bool const waits = co_await test::eventually([] { return info_of("waiting").phase == aya::task_phase::waiting; });
    CHECK(waits);
    aya::task_info info = info_of("waiting");
    h.cancel();
    bool const cancelled = co_await test::throws<aya::cancelled_error>(h);
    CHECK(cancelled);
    co_return info;
}

} // namespace

TEST_CASE("task tree: a task that waits for an Asio operation says which") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        tcp::acceptor acceptor(aya::io::context(), tcp::endpoint(asio::ip::address_v4::loopback(), 0));
        auto accept = [](tcp::acceptor* a) -> aya::task<> { (void)co_await a->async_accept(aya::io::await); };
        auto wait = [](asio::steady_timer* t) -> aya::task<> { co_await t->async_wait(aya::io::await); };
        asio::steady_timer timer(aya::io::context(), 1h);
        aya::task_info info = co_await waiting(accept(&acceptor));
        CHECK(info.waits_for == "I/O: accept");
        CHECK(info.from_outside);
        info = co_await waiting(wait(&timer));
        CHECK(info.waits_for == "I/O: wait");
    });
}

TEST_CASE("task tree: a task that reads from a stream or a datagram socket says on which descriptor") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto silent = [](aya::io::stream_reader r, aya::io::stream_writer) -> aya::task<> { (void)co_await r.read(1); };
        auto server = co_await aya::io::start_server(silent, "127.0.0.1", 0);
        auto [reader, writer] = co_await aya::io::open_connection("127.0.0.1", server.port());
        auto read = [](aya::io::stream_reader* r) -> aya::task<> { (void)co_await r->readline(); };
        aya::task_info const info = co_await waiting(read(&reader));
        CHECK(info.waits_for == "I/O: receive on fd " + std::to_string(writer.descriptor()));
        REQUIRE_FALSE(info.stack.empty());
        CHECK(info.stack.back().file.ends_with("test/io/test_inspection.cpp")); // and of the library itself nothing but its own name
        for (aya::task_frame const& f : info.stack)
            CHECK(f.function.find("detail") == std::string::npos);
        writer.close();
        server.close();
        co_await server.wait_closed();
        auto receive = [](aya::io::datagram_socket* s) -> aya::task<> { (void)co_await s->recvfrom(); };
        auto socket = co_await aya::io::bind_datagram("127.0.0.1", 0);
        aya::task_info const of_datagram = co_await waiting(receive(&socket));
        CHECK(of_datagram.waits_for.starts_with("I/O: receive_from on fd "));
    });
}
