// SPDX-License-Identifier: Apache-2.0
// The contract's sentences on streams, and what else they promise.
#include <aya/gather.hpp>
#include <aya/io/address.hpp>
#include <aya/timeout.hpp>

#include "io/raw_sockets.hpp"
#include "io/streams.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

#include <sys/socket.h>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

aya::task<> send(std::string data, io::stream_reader, io::stream_writer writer) {
    writer.write(data);
    writer.close();
    co_await writer.wait_closed();
}

// A client whose server sends `data` and closes.
aya::task<io::stream_pair> fed(std::string data, io::open_options options = {}) {
    auto feed = [data](io::stream_reader r, io::stream_writer w) { return send(data, std::move(r), std::move(w)); };
    return test::connected_to(feed, options);
}

aya::task<> keep_silent(io::stream_reader reader, io::stream_writer) { (void)co_await reader.read(); }

aya::task<std::string> read_once(io::stream_reader r) { co_return co_await r.read(10); }

} // namespace

TEST_CASE("streams: an echo server and its clients") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        auto client = [](unsigned short port, int id) -> aya::task<> {
            auto [reader, writer] = co_await io::open_connection("127.0.0.1", port);
            for (int i = 0; i < 20; ++i) {
                std::string const line = std::to_string(id) + " " + std::to_string(i) + "\n";
                writer.write(line);
                co_await writer.drain();
                CHECK(co_await reader.readline() == line);
            }
            CHECK(writer.peername() == "127.0.0.1:" + std::to_string(port));
            writer.close();
            co_await writer.wait_closed();
        };
        std::vector<aya::task<>> clients;
        for (int i = 0; i < 30; ++i)
            clients.push_back(client(server.port(), i));
        co_await aya::gather(std::move(clients));
        server.close();
        co_await server.wait_closed();
        CHECK(server.connections() == 0);
        CHECK(!server.is_serving());
    });
}

TEST_CASE("streams: megabytes go through while both sides write") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        auto [reader, writer] = co_await io::open_connection("localhost", std::to_string(server.port()));
        std::string block(100'000, ' ');
        for (std::size_t i = 0; i < block.size(); ++i)
            block[i] = static_cast<char>('a' + i % 26);
        auto send_all = [](io::stream_writer w, std::string b) -> aya::task<> {
            for (int i = 0; i < 50; ++i) {
                w.write(b);
                co_await w.drain();
            }
            w.write_eof();
        };
        auto sender = aya::create_task(send_all(writer, block));
        std::size_t wrong = 0;
        for (int i = 0; i < 50; ++i)
            wrong += co_await reader.readexactly(block.size()) != block;
        CHECK(wrong == 0);
        CHECK((co_await reader.read()).empty());
        co_await sender;
        server.close();
        co_await server.wait_closed();
    });
}

TEST_CASE("streams: messages of any size are read in pieces of any size, in order") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port());
        std::string message(300'000, ' ');
        for (std::size_t i = 0; i < message.size(); ++i)
            message[i] = static_cast<char>(i * i % 251);
        static constexpr std::size_t sizes[] = {1, 1023, 1024, 1025, 16'384, 65'535, 65'536, 65'537, 300'000};
        static constexpr std::size_t pieces[] = {700, 1024, 40'000, 1'000'000};
        for (std::size_t const size : sizes)
            for (std::size_t const piece : pieces) {
                writer.write(std::string_view(message).substr(0, size));
                std::string got;
                while (got.size() < size)
                    got += co_await reader.read(piece);
                CHECK(got == message.substr(0, size));
                writer.write(std::string_view(message).substr(0, size));
                CHECK(co_await reader.readexactly(size) == message.substr(0, size));
            }
        writer.close();
        server.close();
        co_await server.wait_closed();
    });
}

TEST_CASE("streams: what came before a reset is read, then the reset is thrown") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        static constexpr std::size_t sizes[] = {1, 1023, 1024, 1025, 5000};
        for (std::size_t const size : sizes) {
            std::string got;
            int error = 0;
            aya::event reads, over;
            auto read_all = [&](io::stream_reader reader, io::stream_writer) -> aya::task<> {
                reads.set();
                try {
                    while (!reader.at_eof())
                        got += co_await reader.read(100'000);
                } catch (std::system_error const& e) {
                    error = e.code().value();
                }
                over.set();
            };
            auto server = co_await io::start_server(read_all, "127.0.0.1", 0);
            test::raw_socket client = test::raw_client(server.port());
            co_await reads.wait();
            for (int i = 0; i < 10; ++i)
                co_await aya::yield(); // the reader waits, on one thread
            std::string const message(size, 'x');
            linger const none{1, 0};
            CHECK(::send(client.descriptor, message.data(), size, MSG_NOSIGNAL) == static_cast<ssize_t>(size));
            CHECK(::setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
            client.close();
            co_await over.wait();
            CHECK(got == message);
            CHECK(error == ECONNRESET);
            server.close();
            co_await server.wait_closed();
        }
    });
}

TEST_CASE("ST1: a second read at the same time is refused") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto [reader, writer] = co_await test::connected_to(keep_silent);
        auto first = aya::create_task(read_once(reader), {.eager_start = true});
        CHECK(co_await test::throws<aya::invalid_state_error>(reader.readline()));
        first.cancel();
        CHECK(co_await test::throws<aya::cancelled_error>(first));
    });
}

TEST_CASE("ST2: read, readexactly, and what they give at the end") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto [reader, writer] = co_await fed("hello world");
        CHECK((co_await reader.read(0)).empty());
        CHECK(co_await reader.readexactly(6) == "hello ");
        CHECK(co_await reader.read(2) == "wo");
        std::string partial;
        std::size_t expected = 0;
        try {
            (void)co_await reader.readexactly(10);
        } catch (io::incomplete_read_error const& e) {
            partial = e.partial();
            expected = e.expected();
        }
        CHECK(partial == "rld");
        CHECK(expected == 10);
        CHECK((co_await reader.read(5)).empty());
        auto [again, unused] = co_await fed("everything");
        CHECK(co_await again.read() == "everything");
        CHECK((co_await again.read()).empty());
    });
}

TEST_CASE("ST3: readuntil and readline against the limit") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto [reader, writer] = co_await fed("one\nmuch too long a line\nthree\nrest", {.limit = 8});
        CHECK(co_await reader.readline() == "one\n");
        std::size_t consumed = 0;
        try {
            (void)co_await reader.readuntil();
        } catch (io::limit_overrun_error const& e) {
            consumed = e.consumed();
        }
        CHECK(consumed == 20);
        CHECK(co_await test::throws<std::length_error>(reader.readline())); // dropped
        CHECK(co_await reader.readline() == "three\n");
        CHECK(co_await reader.readline() == "rest");
        CHECK((co_await reader.readline()).empty());
        auto [other, unused] = co_await fed("aXbXYc");
        CHECK(co_await other.readuntil("XY") == "aXbXY");
        CHECK(co_await test::throws<std::invalid_argument>(other.readuntil("")));
        CHECK(co_await test::throws<io::incomplete_read_error>(other.readuntil("XY")));
        CHECK(other.at_eof());
    });
}

TEST_CASE("ST4: data comes before the end") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto [reader, writer] = co_await fed("last words");
        co_await aya::sleep(5ms); // the end has come, too
        CHECK(!reader.at_eof());
        CHECK(co_await reader.read(100) == "last words");
        CHECK((co_await reader.read(100)).empty());
        CHECK(reader.at_eof());
    });
}

TEST_CASE("ST5: a reader that nobody reads holds the sender back") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto flood = [](io::stream_reader, io::stream_writer w) -> aya::task<> {
            std::string const block(64 * 1024, 'x');
            for (;;) {
                w.write(block);
                co_await w.drain();
            }
        };
        auto [reader, writer] = co_await test::connected_to(flood);
        CHECK((co_await reader.read(1)).size() == 1);
        co_await aya::sleep(20ms);
        // What this side holds is what one system call gave; the rest waits in the kernel and with the sender.
        CHECK((co_await reader.read(1 << 30)).size() <= 2 * io::default_limit);
    });
}

TEST_CASE("ST6: drain waits above the high mark, and all who wait hear of the loss") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        // Shared with the handler: only the socket tells this side that the handler has looked for the last time.
        auto const cut = std::make_shared<std::atomic<bool>>(false);
        auto wait_and_cut = [cut](io::stream_reader, io::stream_writer w) -> aya::task<> {
            while (!cut->load())
                co_await aya::sleep(1ms);
            w.abort();
        };
        auto [reader, writer] = co_await test::connected_to(wait_and_cut);
        co_await writer.drain(); // nothing is kept
        writer.set_write_buffer_limits(1000, 10);
        while (writer.get_write_buffer_size() <= 1000)
            writer.write(std::string(1 << 20, 'x'));
        auto drain = [](io::stream_writer w) -> aya::task<> { co_await w.drain(); };
        auto first = aya::create_task(test::code_of(drain(writer)));
        auto second = aya::create_task(test::code_of(drain(writer)));
        co_await aya::sleep(5ms);
        CHECK(!first.done());
        CHECK(!second.done());
        cut->store(true);
        bool const told = (co_await first).value() == ECONNRESET || (co_await first).value() == EPIPE;
        CHECK(told);
        CHECK((co_await second) == (co_await first));
        CHECK((co_await test::code_of(reader.read(1))) == (co_await first));
        CHECK_THROWS_AS(writer.set_write_buffer_limits(1, 2), std::invalid_argument);
    });
}

TEST_CASE("ST7: write does not report a lost connection, drain does") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto [reader, writer] = co_await test::connected_to(keep_silent);
        writer.close();
        co_await writer.wait_closed();
        writer.write("nobody hears this");
        CHECK((co_await test::code_of(writer.drain())).value() == ECONNRESET);
        CHECK(writer.is_closing());
        CHECK(writer.descriptor() == -1);
    });
}

TEST_CASE("ST8: wait_closed waits for what is to be sent, and throws what the connection was lost by") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto count = [](io::stream_reader r, io::stream_writer w) -> aya::task<> {
            std::string const all = co_await r.read();
            w.write(std::to_string(all.size()));
            w.close();
        };
        auto [reader, writer] = co_await test::connected_to(count);
        writer.write(std::string(8 << 20, 'x'));
        writer.write_eof();
        CHECK(co_await reader.read() == std::to_string(8 << 20));
        writer.close();
        co_await writer.wait_closed();

        auto reset = [](io::stream_reader r, io::stream_writer w) -> aya::task<> {
            (void)co_await r.readexactly(1);
            linger const at_once{1, 0};
            CHECK(::setsockopt(w.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
            w.abort();
        };
        auto [lost, sender] = co_await test::connected_to(reset);
        sender.write("!");
        CHECK((co_await test::code_of(lost.read(1))).value() == ECONNRESET);
        sender.close();
        CHECK((co_await test::code_of(sender.wait_closed())).value() == ECONNRESET);
    });
}

TEST_CASE("ST9: a cancelled read loses no byte") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto count_up = [](io::stream_reader, io::stream_writer w) -> aya::task<> {
            for (int i = 0; i < 2000; ++i) {
                w.write(std::to_string(i) + "\n");
                co_await w.drain();
                if (i % 7 == 0)
                    co_await aya::yield();
            }
            w.close();
        };
        auto [reader, writer] = co_await test::connected_to(count_up);
        auto line = [](io::stream_reader r, std::string& into) -> aya::task<> { into = co_await r.readline(); };
        int next = 0;
        int wrong = 0;
        for (unsigned round = 0; next < 2000; ++round) {
            std::string got;
            auto t = aya::create_task(line(reader, got));
            if (round % 3 != 0)
                co_await aya::yield();
            t.cancel();
            try {
                co_await t;
            } catch (aya::cancelled_error const&) {
            }
            if (!got.empty()) {
                wrong += got != std::to_string(next) + "\n";
                ++next;
            }
            if (round % 5 == 0 && next < 2000) {
                wrong += co_await reader.readline() != std::to_string(next) + "\n";
                ++next;
            }
        }
        CHECK(wrong == 0);
    });
}

TEST_CASE("streams: errors of connecting have their numbers and names") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        unsigned short const port = server.port();
        server.close();
        co_await server.wait_closed();
        CHECK(co_await test::code_of(io::open_connection("127.0.0.1", port)) == std::errc::connection_refused);
        test::temporary_folder folder;
        CHECK(co_await test::code_of(io::open_unix_connection(folder.file("nothing"))) == std::errc::no_such_file_or_directory);
        CHECK(co_await test::throws<std::invalid_argument>(io::open_unix_connection(std::string(200, 'x'))));
        CHECK((co_await test::code_of(io::open_connection("127.0.0.1", "no-such-service"))).category() == io::resolver_category());
    });
}

TEST_CASE("streams: Unix sockets, and a stale file of one") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        test::temporary_folder folder;
        std::string const path = folder.file("socket");
        for (int round = 0; round < 2; ++round) { // the second server finds the first one's file
            auto server = co_await io::start_unix_server(test::echo, path);
            auto [reader, writer] = co_await io::open_unix_connection(path);
            writer.write("over there\n");
            CHECK(co_await reader.readline() == "over there\n");
            CHECK(co_await test::throws<std::system_error>(io::start_unix_server(test::echo, path)));
            writer.close();
            server.close();
            co_await server.wait_closed();
        }
    });
}

TEST_CASE("streams: a handler's exception is reported, and its client sees the end") {
    std::atomic<int> reports{0};
    test::on_every_runtime([&](aya::runtime& rt) {
        reports = 0;
        rt.block_on(test::client_of_a_handler_that_throws(std::runtime_error("a handler's")));
        CHECK(reports == 1);
    }, {.exception_handler = [&](auto const&) { ++reports; }});
}

TEST_CASE("streams: a server that is closed lets its clients go on, and ends them when told to") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port());
        writer.write("1\n");
        CHECK(co_await reader.readline() == "1\n");
        server.close();
        writer.write("2\n");
        CHECK(co_await reader.readline() == "2\n");
        CHECK(server.connections() == 1);
        CHECK(co_await test::throws<std::system_error>(io::open_connection("127.0.0.1", server.port())));
        server.close_clients();
        co_await server.wait_closed();
        CHECK((co_await reader.read(1)).empty());
    });
}

TEST_CASE("streams: serve_forever ends by a cancellation, and so does the server") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        auto serving = aya::create_task(server.serve_forever(), {.eager_start = true}); // cancelled before its first step it would close nothing
        serving.cancel();
        CHECK(co_await test::throws<aya::cancelled_error>(serving));
        CHECK(!server.is_serving());
        co_await server.wait_closed();
    });
}

TEST_CASE("streams: connections that nobody closes are closed with their last end, and at the runtime's end") {
    std::size_t const before = test::open_descriptors();
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            auto server = co_await test::echo_server();
            for (int i = 0; i < 20; ++i) {
                auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port());
                writer.write("x");
                CHECK(co_await reader.readexactly(1) == "x");
            }
        };
        rt.block_on(work());
    });
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("streams: after write_eof nothing can be written; asked for twice, or after close, it changes nothing") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port());
        CHECK(writer.can_write_eof());
        writer.set_write_buffer_limits(1000);
        writer.write("last");
        writer.write_eof();
        writer.write_eof();
        CHECK(test::refusal([w = &writer] { w->write("more"); }).find("write_eof") != std::string::npos);
        CHECK(co_await reader.read() == "last");
        writer.close();
        writer.write_eof();
        co_await writer.wait_closed();
        auto [other_reader, other_writer] = co_await io::open_connection("127.0.0.1", server.port());
        other_writer.close();
        other_writer.write_eof(); // the end is on its way
        CHECK((co_await other_reader.read()).empty());
        co_await other_writer.wait_closed();
        server.close();
        co_await server.wait_closed();
        io::open_options none;
        none.limit = 0;
        CHECK(co_await test::throws<std::invalid_argument>(io::open_connection("127.0.0.1", server.port(), none)));
        CHECK(co_await test::throws<std::invalid_argument>(io::open_unix_connection("")));
        CHECK(co_await test::throws<std::invalid_argument>(io::open_unix_connection(std::string(200, 'x'))));
    });
}
