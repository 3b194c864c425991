// SPDX-License-Identifier: Apache-2.0
// Work that would hold a worker up goes elsewhere: computation to the CPU pool, calls that block to the blocking pool.
#include <aya/aya.hpp>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include <fmt/core.h>

using namespace std::chrono_literals;

std::uint64_t sum_of_squares(std::uint64_t n) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < n; ++i)
        sum += i * i;
    return sum;
}

std::string read_text(std::string path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Counts on while the others work: nobody holds it up.
aya::task<> tick(int& ticks) {
    for (;;) {
        co_await aya::sleep(1ms);
        ++ticks;
    }
}

aya::task<> program(std::string path) {
    int ticks = 0;
    auto ticker = aya::create_task(tick(ticks));
    auto [sum, text] = co_await aya::gather(aya::to_cpu(sum_of_squares, std::uint64_t{10'000'000}), aya::to_thread(read_text, path));
    fmt::print("sum of squares: {}\n", sum);
    fmt::print("{} has {} bytes\n", path, text.size());

    // The same on a pool of one's own.
    aya::blocking_pool pool({.max_threads = 2});
    co_await aya::run_in_executor(pool, [] { std::this_thread::sleep_for(20ms); });
    ticker.cancel();
    co_await aya::wait(std::vector(1, ticker)); // it counts in a variable of this coroutine
    fmt::print("meanwhile the clock went on: {}\n", ticks > 0 ? "yes" : "no");
}

int main(int argc, char** argv) {
    aya::run(program(argc > 1 ? argv[1] : "/etc/hostname"));
}
