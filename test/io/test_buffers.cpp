// SPDX-License-Identifier: Apache-2.0
// What connections keep of their bursts: memory that is held by thousands that are idle.
#include <aya/config.hpp>
#include <aya/gather.hpp>

#include "io/streams.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

#include <malloc.h>

using namespace std::chrono_literals;
namespace io = aya::io;

namespace {

constexpr std::size_t burst = 1 << 20;
constexpr std::size_t connections = 20;
constexpr std::size_t kept_each = 32 * 1024; // at most; a burst's buffer has 256 KiB and more

std::size_t heap_in_use() {
    auto const now = ::mallinfo2();
    return now.uordblks + now.hblkhd;
}

// Whether it does not keep more than `kept_each` for each of them. The other side may still be freeing.
aya::task<bool> keeps_little(std::size_t before) {
    auto const deadline = std::chrono::steady_clock::now() + 10s;
    while (heap_in_use() >= before + connections * kept_each) {
        if (std::chrono::steady_clock::now() > deadline)
            co_return false;
        co_await aya::yield();
    }
    co_return true;
}

// For each byte one byte, or a burst.
aya::task<> answer(io::stream_reader reader, io::stream_writer writer) {
    for (;;) {
        std::string const asked = co_await reader.read(1);
        if (asked.empty())
            break;
        writer.write(asked == "b" ? std::string(burst, 'x') : asked);
        co_await writer.drain();
    }
}

aya::task<> short_exchanges(io::stream_pair ends, int times) {
    for (int i = 0; i < times; ++i) {
        ends.second.write("s");
        CHECK(co_await ends.first.readexactly(1) == "s");
    }
}

aya::task<> read_a_burst(io::stream_pair ends) {
    ends.second.write("b");
    CHECK((co_await ends.first.readexactly(burst)).size() == burst);
}

aya::task<std::string> read_one(io::stream_pair ends) { co_return co_await ends.first.read(1); }

} // namespace

TEST_CASE("buffers: an idle connection does not keep a burst's memory, on either side, waiting or not") {
    if (AYA_SANITIZED)
        return; // a sanitizer has a heap of its own
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await io::start_server(answer, "127.0.0.1", 0);
        io::open_options large;
        large.limit = burst;
        std::vector<io::stream_pair> all;
        for (std::size_t i = 0; i < connections; ++i) {
            all.push_back(co_await io::open_connection("127.0.0.1", server.port(), large));
            co_await short_exchanges(all.back(), 1);
        }
        std::size_t const before = heap_in_use();
        for (io::stream_pair const& ends : all)
            co_await read_a_burst(ends);
        CHECK(co_await keeps_little(before));
        for (io::stream_pair const& ends : all)
            co_await short_exchanges(ends, 12);
        std::vector<aya::task_handle<std::string>> waiting;
        for (io::stream_pair const& ends : all)
            waiting.push_back(aya::create_task(read_one(ends)));
        for (int i = 0; i < 100; ++i)
            co_await aya::yield(); // they wait, each with room for what may come
        CHECK(co_await keeps_little(before));
        for (auto const& w : waiting)
            w.cancel();
        for (auto const& w : waiting)
            CHECK(co_await test::throws<aya::cancelled_error>(w));
        server.close();
        server.abort_clients();
        co_await server.wait_closed();
    });
}

TEST_CASE("buffers: a reader with a small limit takes no large pieces") {
    test::everywhere_in_real_time([]() -> aya::task<> {
        auto server = co_await io::start_server(answer, "127.0.0.1", 0);
        io::open_options small;
        small.limit = 1000;
        auto [reader, writer] = co_await io::open_connection("127.0.0.1", server.port(), small);
        writer.write("b");
        std::size_t largest = 0;
        for (std::size_t all = 0; all < burst;) {
            std::size_t const n = (co_await reader.read(burst)).size();
            largest = std::max(largest, n);
            all += n;
        }
        CHECK(largest <= 4096);
        server.close();
        server.abort_clients();
        co_await server.wait_closed();
    });
}
