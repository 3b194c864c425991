// SPDX-License-Identifier: Apache-2.0
// What the kernel says of a stream's socket beside "there is data", and that a waiting reader costs nothing meanwhile.
#include <aya/io/server.hpp>
#include <aya/io/stream.hpp>
#include <aya/metrics.hpp>
#include <aya/runtime.hpp>
#include <aya/sleep.hpp>

#include "io/streams.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <linux/net_tstamp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

aya::task<> echo_after_a_while(io::stream_reader reader, io::stream_writer writer) {
    std::string const data = co_await reader.read(1);
    co_await aya::sleep(20ms);
    writer.write(data);
}

std::uint64_t steps_of(aya::runtime& rt) {
    std::uint64_t all = 0;
    for (auto const& w : rt.metrics().workers)
        all += w.steps;
    return all;
}

// What each epoll set of this process waits for on `descriptor`. See proc_pid_fdinfo(5).
std::vector<unsigned> events_watched_for(int descriptor) {
    std::vector<unsigned> all;
    for (auto const& file : std::filesystem::directory_iterator("/proc/self/fdinfo")) {
        std::ifstream lines(file.path());
        std::string word;
        while (lines >> word) {
            if (word != "tfd:")
                continue;
            int watched = -1;
            unsigned events = 0;
            lines >> watched >> word >> std::hex >> events >> std::dec;
            if (watched == descriptor)
                all.push_back(events);
        }
    }
    return all;
}

} // namespace

TEST_CASE("streams: what is no data does not keep a waiting reader busy") {
    test::on_every_runtime([](aya::runtime& rt) {
        auto work = [](aya::runtime* owner) -> aya::task<> {
            auto [reader, writer] = co_await test::connected_to(echo_after_a_while);
            int const stamps = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY;
            REQUIRE(::setsockopt(writer.descriptor(), SOL_SOCKET, SO_TIMESTAMPING, &stamps, sizeof stamps) == 0);
            std::uint64_t const before = steps_of(*owner);
            writer.write("x"); // when it was sent is in the error queue, which nobody reads
            CHECK(co_await reader.readexactly(1) == "x");
            CHECK(steps_of(*owner) - before < 200);
        };
        rt.block_on(work, &rt);
    });
}

TEST_CASE("streams: a client's socket is not watched for room that nobody waits for") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await test::echo_server();
        auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port());
        writer.write("x");
        CHECK(co_await reader.readexactly(1) == "x");
        std::vector<unsigned> const watched = events_watched_for(writer.descriptor());
        REQUIRE(watched.size() == 1);
        CHECK((watched.front() & EPOLLIN) != 0);
        CHECK((watched.front() & EPOLLOUT) == 0);
        writer.close();
        server.close();
        co_await server.wait_closed();
    });
}
