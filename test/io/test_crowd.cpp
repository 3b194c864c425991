// SPDX-License-Identifier: Apache-2.0
// 10,000 connections that stand at the same time and are cut at the same moment, each in the middle of a message. Their other ends are in a process of
// their own, which is killed: one process has too few descriptors for both.
#include <aya/config.hpp>
#include <aya/timeout.hpp>
#include <aya/to_thread.hpp>

#include "io/streams.hpp"
#include "support/child_process.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <fstream>
#include <string>
#include <system_error>

#include <malloc.h>
#include <sys/resource.h>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

constexpr std::size_t wanted = AYA_SANITIZED ? 1'000 : 10'000;
constexpr std::size_t others = 200; // descriptors that are no clients'
constexpr int rounds = 3;
constexpr std::size_t most_growth = 512 * 1024; // of the heap, for a round: 50 bytes a connection

/// As many descriptors as the process may have, for a while.
class most_descriptors {
public:
    most_descriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit most = before_;
        most.rlim_cur = most.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &most);
    }
    ~most_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    most_descriptors(most_descriptors const&) = delete;
    most_descriptors& operator=(most_descriptors const&) = delete;
    [[nodiscard]] std::size_t clients() const { return std::min<std::size_t>(wanted, before_.rlim_max - std::min<rlim_t>(before_.rlim_max, others)); }

private:
    rlimit before_{};
};

struct memory {
    std::size_t heap = 0;     // bytes that are allocated
    std::size_t resident = 0; // bytes of the process that are in memory
};

memory memory_in_use() {
    auto const now = ::mallinfo2();
    std::size_t all = 0;
    std::size_t resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    return {now.uordblks + now.hblkhd, resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))};
}

struct counts {
    std::atomic<std::size_t> incomplete{0};
    std::atomic<std::size_t> wrong{0};
};

// Asks for a message of 1000 bytes.
aya::task<> serve(counts& c, io::stream_reader reader, io::stream_writer writer) {
    writer.write("?");
    try {
        (void)co_await reader.readexactly(1000);
        ++c.wrong;
    } catch (io::incomplete_read_error const& e) {
        e.partial().empty() ? ++c.wrong : ++c.incomplete;
    } catch (std::system_error const& e) {
        e.code() == std::errc::connection_reset ? ++c.incomplete : ++c.wrong;
    }
}

// A whole message, served among all the others.
aya::task<> send_a_message(unsigned short port) {
    auto [reader, writer] = co_await io::open_connection("127.0.0.1", port);
    CHECK(co_await reader.readexactly(1) == "?");
    writer.write(std::string(1000, 'x'));
    CHECK((co_await reader.read(1)).empty()); // served: its handler has ended
    writer.close();
    co_await writer.wait_closed();
}

aya::task<> stand_and_are_cut(io::server server, counts& c, std::size_t clients) {
    c.incomplete = 0;
    c.wrong = 0;
    std::string const port = std::to_string(server.port());
    std::string const count = std::to_string(clients);
    test::child_process crowd(test::neighbour("crowd"), {port.c_str(), count.c_str()});
    CHECK(co_await aya::to_thread([&crowd] { return crowd.read_line(); }) == "ready");
    CHECK(server.connections() == clients);
    CHECK(c.incomplete == 0);
    co_await aya::timeout(30s, send_a_message, server.port());
    CHECK(c.wrong == 1);
    crowd.send(SIGKILL);
    CHECK(co_await aya::to_thread([&crowd] { return crowd.exit_code(); }) == -SIGKILL);
    CHECK(co_await test::eventually([&] { return server.connections() == 0; }));
    CHECK(co_await test::eventually([&] { return c.incomplete == clients; }));
    CHECK(c.wrong == 1);
    co_await aya::timeout(30s, send_a_message, server.port());
}

aya::task<> crowds(std::size_t clients) {
    counts c;
    auto serve_counted = [&c](io::stream_reader r, io::stream_writer w) { return serve(c, std::move(r), std::move(w)); };
    io::server_options options;
    options.backlog = 1000;
    auto server = co_await io::start_server(serve_counted, "127.0.0.1", 0, options);
    std::size_t const descriptors = test::open_descriptors();
    memory after_first;
    for (int round = 0; round < rounds; ++round) {
        co_await stand_and_are_cut(server, c, clients);
        CHECK(test::open_descriptors() == descriptors);
        memory const now = memory_in_use();
        if (round == 0)
            after_first = now;
        if (AYA_SANITIZED)
            continue; // a sanitizer has a heap of its own, and keeps what is freed
        CHECK(now.heap < after_first.heap + most_growth);
        CHECK(now.resident < after_first.resident + after_first.resident / 4); // pages that were not touched before
    }
    server.close();
    co_await server.wait_closed();
}

} // namespace

TEST_CASE("crowd: 10,000 connections that are cut at once in the middle of a message leave nothing, and the server goes on") {
    most_descriptors const as_many;
    std::size_t const clients = as_many.clients();
    REQUIRE(clients > 0);
    if (clients < wanted)
        MESSAGE("the limit of descriptors leaves " << clients << " of " << wanted);
    std::size_t const before = test::open_descriptors();
    for (std::size_t const workers : {0U, 2U}) {
        aya::runtime rt(test::kind{workers}.options());
        rt.block_on(crowds(clients));
    }
    CHECK(test::open_descriptors() == before);
}
