// SPDX-License-Identifier: Apache-2.0
// Peers that misbehave, descriptors that run out, and operations that are cut off at random moments.
#include <aya/as_completed.hpp>
#include <aya/config.hpp>
#include <aya/gather.hpp>
#include <aya/io/address.hpp>
#include <aya/timeout.hpp>

#include "io/raw_sockets.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <random>
#include <system_error>

#include <sys/resource.h>
#include <sys/socket.h>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

/// Lowers the limit of descriptors for a while.
class descriptor_limit {
public:
    explicit descriptor_limit(rlim_t at_most) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit lower = before_;
        lower.rlim_cur = at_most;
        ::setrlimit(RLIMIT_NOFILE, &lower);
    }
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    descriptor_limit(descriptor_limit const&) = delete;
    descriptor_limit& operator=(descriptor_limit const&) = delete;

private:
    rlimit before_{};
};

/// How often, on each kind of runtime: the variable says, if it is set.
int from_environment(char const* name, int usual) {
    char const* const given = std::getenv(name);
    return given == nullptr ? usual : std::atoi(given);
}

void reset_on_close(io::stream_writer const& w) {
    linger const at_once{1, 0};
    CHECK(::setsockopt(w.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
}

} // namespace

TEST_CASE("robust: a server without descriptors waits for some, and loses no connection") {
    if (AYA_SANITIZED)
        return; // a sanitizer's check of virtual pointers needs descriptors itself
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            auto server = co_await test::echo_server();
            std::vector<int> clients;
            for (int i = 0; i < 16; ++i)
                clients.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
            {
                descriptor_limit const few(static_cast<rlim_t>(test::open_descriptors()) + 4);
                io::address const at = io::numeric_address("127.0.0.1", server.port());
                for (int const c : clients) {
                    CHECK(::connect(c, at.data(), at.size()) == 0); // the system's backlog takes it
                    CHECK(::send(c, "hello\n", 6, 0) == 6);
                }
                co_await aya::sleep(20ms); // the server has met the limit
                CHECK(server.connections() <= 8);
            }
            std::array<char, 16> bytes{};
            for (int const c : clients)
                CHECK(co_await test::eventually([&] { return ::recv(c, bytes.data(), bytes.size(), MSG_DONTWAIT) == 6; }));
            CHECK(server.connections() == clients.size());
            for (int const c : clients)
                ::close(c);
            server.close();
            server.close_clients();
            co_await server.wait_closed();
        };
        rt.block_on(work());
    });
}

TEST_CASE("robust: resets and half-closed connections end their handlers alone") {
    std::size_t const before = test::open_descriptors();
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            auto server = co_await test::echo_server();
            for (int i = 0; i < 30; ++i) {
                auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port());
                writer.write(std::string(1000, 'x'));
                if (i % 3 == 0) {
                    reset_on_close(writer);
                } else if (i % 3 == 1) {
                    writer.write_eof();
                    CHECK((co_await reader.read()).size() == 1000);
                }
                writer.close();
            }
            co_await test::ask(server.port());
            server.close();
            co_await server.wait_closed();
        };
        rt.block_on(work());
    });
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("robust: thousands of connections cut in the middle of a message") {
    std::size_t const before = test::open_descriptors();
    int const cuts = from_environment("AYA_IO_CUTS", 500);
    test::on_every_runtime([cuts](aya::runtime& rt) {
        auto work = [](int connections) -> aya::task<> {
            std::atomic<int> incomplete{0};
            auto read_message = [&incomplete](io::stream_reader reader, io::stream_writer writer) -> aya::task<> {
                writer.write("?");
                try {
                    (void)co_await reader.readexactly(1000);
                } catch (io::incomplete_read_error const&) {
                    ++incomplete;
                } catch (std::system_error const&) { // a reset
                    ++incomplete;
                }
            };
            auto server = co_await io::start_server(read_message, "127.0.0.1", 0);
            auto cut = [](unsigned short port, int i) -> aya::task<> {
                auto [reader, writer] = co_await io::open_connection("127.0.0.1", port);
                CHECK(co_await reader.readexactly(1) == "?"); // the server has it: what its backlog drops is not counted
                writer.write(std::string(static_cast<std::size_t>(1 + i % 999), 'x'));
                if (i % 2 == 0)
                    reset_on_close(writer);
                writer.abort();
            };
            std::vector<aya::task<>> all;
            for (int i = 0; i < connections; ++i)
                all.push_back(cut(server.port(), i));
            auto cut_all = aya::gather(aya::max_concurrency{50}, std::move(all));
            co_await std::move(cut_all);
            CHECK(co_await test::eventually([&] { return incomplete.load() == connections; }));
            server.close();
            co_await server.wait_closed();
        };
        rt.block_on(work(cuts));
    });
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("robust: without descriptors, opening fails with std::system_error, and leaves none behind") {
    if (AYA_SANITIZED)
        return; // as above
    std::size_t const before = test::open_descriptors();
    unsigned short port = 0;
    auto const listener = test::raw_listener(port);
    int failures = 0;
    int other_failures = 0;
    for (rlim_t spare = 1; spare < 7; ++spare) {
        aya::runtime_options options;
        options.scheduler = aya::scheduler_kind::event_loop;
        aya::runtime rt(options);
        auto work = [](unsigned short to) -> aya::task<> { (void)co_await io::open_connection("127.0.0.1", to); };
        descriptor_limit const few(static_cast<rlim_t>(test::open_descriptors()) + spare - 1); // one is for the looking
        try {
            rt.block_on(work(port));
        } catch (std::system_error const& e) {
            ++failures;
            CHECK(e.code() == std::errc::too_many_files_open);
        } catch (std::exception const&) {
            ++other_failures;
        }
    }
    CHECK(failures > 0);
    CHECK(other_failures == 0);
    CHECK(test::open_descriptors() == before + 1);
}

TEST_CASE("robust: operations cancelled or timed out at random moments leave nothing behind") {
    std::size_t const before = test::open_descriptors();
    int const cancels = from_environment("AYA_IO_CANCELS", 640);
    test::on_every_runtime([cancels](aya::runtime& rt) {
        auto work = [](int operations) -> aya::task<> {
            auto server = co_await test::echo_server();
            auto storm = [](unsigned short port, unsigned seed, int times) -> aya::task<> {
                std::minstd_rand random(seed);
                for (int i = 0; i < times; ++i) {
                    auto until = std::chrono::microseconds(random() % 400);
                    auto talk = [](unsigned short to) -> aya::task<> {
                        auto [reader, writer] = co_await io::open_connection("127.0.0.1", to);
                        for (;;) {
                            writer.write("some words\n");
                            co_await writer.drain();
                            (void)co_await reader.readline();
                        }
                    };
                    if (i % 2 == 0) {
                        bool timed_out = false;
                        try {
                            co_await aya::timeout(until, talk, port);
                        } catch (aya::timeout_error const&) {
                            timed_out = true;
                        }
                        CHECK(timed_out);
                    } else {
                        auto t = aya::create_task(talk(port));
                        co_await aya::sleep(until);
                        t.cancel();
                        CHECK(co_await test::throws<aya::cancelled_error>(t));
                    }
                }
            };
            std::vector<aya::task<>> all;
            for (unsigned i = 1; i <= 16; ++i)
                all.push_back(storm(server.port(), i, operations / 16));
            co_await aya::gather(std::move(all));
            CHECK(co_await test::eventually([&] { return server.connections() == 0; }));
            co_await test::ask(server.port());
            server.close();
            co_await server.wait_closed();
        };
        rt.block_on(work(cancels));
    });
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("robust: peers that send a byte now and then do not keep a server from its other clients, and are cut off") {
    std::size_t const before = test::open_descriptors();
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = []() -> aya::task<> {
            std::atomic<int> cut_off{0};
            auto in_time = [&cut_off](io::stream_reader reader, io::stream_writer writer) -> aya::task<> {
                try {
                    std::string line = co_await reader.read(1);
                    auto rest = [](io::stream_reader r) -> aya::task<std::string> { co_return co_await r.readline(); };
                    if (line == "x") // a peer that dribbles; whoever does not may have to wait for a CPU
                        line += co_await aya::timeout(100ms, rest, reader);
                    else
                        line += co_await reader.readline();
                    writer.write(line);
                    co_await writer.drain();
                } catch (aya::timeout_error const&) {
                    ++cut_off;
                }
                writer.close();
            };
            auto server = co_await io::start_server(in_time, "127.0.0.1", 0);
            // A byte for each of the server's patience's tenths; never a line.
            auto dribble = [](unsigned short port) -> aya::task<> {
                auto [reader, writer] = co_await io::open_connection("127.0.0.1", port);
                auto end = aya::create_task(reader.read(1));
                while (!end.done()) {
                    writer.write("x");
                    co_await aya::sleep(10ms);
                }
                std::string answer;
                try {
                    answer = co_await end;
                } catch (std::system_error const&) { // its bytes have met the closed end
                }
                CHECK(answer.empty());
            };
            std::vector<aya::task_handle<void>> slow;
            for (int i = 0; i < 50; ++i)
                slow.push_back(aya::create_task(dribble(server.port())));
            for (int i = 0; i < 20; ++i)
                co_await test::ask(server.port());
            co_await aya::gather(std::move(slow));
            CHECK(cut_off.load() == 50);
            server.close();
            co_await server.wait_closed();
        };
        rt.block_on(work());
    });
    CHECK(test::open_descriptors() == before);
}
