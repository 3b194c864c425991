// SPDX-License-Identifier: Apache-2.0
// How late a periodic task is while every thread of the CPU pool computes:
//
//   build/bench/lateness [SECONDS]
#include <aya/aya.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace std::chrono_literals;

namespace {

// Computes until nobody waits for it.
void burn(aya::stop_token token) {
    volatile unsigned x = 1;
    while (!token.stop_requested())
        for (int i = 0; i < 1000; ++i)
            x = x * 1664525 + 1013904223;
}

aya::task<std::vector<double>> tick(std::chrono::duration<double> length) {
    std::vector<double> late;
    auto const begin = std::chrono::steady_clock::now();
    auto next = begin;
    while (next - begin < length) {
        next += 1ms;
        co_await aya::sleep_until(next);
        late.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - next).count());
    }
    co_return late;
}

aya::task<> measure(std::size_t busy, std::chrono::duration<double> length) {
    std::vector<aya::task_handle<>> computing;
    for (std::size_t i = 0; i < busy; ++i)
        computing.push_back(aya::create_task(aya::to_cpu(burn)));
    co_await aya::sleep(100ms);
    std::vector<double> late = co_await tick(length);
    for (auto const& h : computing)
        h.cancel();
    std::sort(late.begin(), late.end());
    auto const at = [&](double share) { return late[static_cast<std::size_t>(share * static_cast<double>(late.size() - 1))]; };
    std::printf("%zu CPU threads busy: %zu ticks of 1 ms, late by p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, at most %.3f ms\n", busy,
                late.size(), at(0.5), at(0.99), at(0.999), late.back());
}

} // namespace

int main(int argc, char** argv) {
    std::chrono::duration<double> const length(argc > 1 ? std::strtod(argv[1], nullptr) : 10.0);
    aya::run(measure, std::size_t{0}, length / 5);
    aya::run(measure, aya::cpu_pool().thread_count(), length);
}
