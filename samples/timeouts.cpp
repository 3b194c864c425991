// SPDX-License-Identifier: Apache-2.0
// Three ways to wait for something no longer than a while.
#include <aya/aya.hpp>

#include <chrono>
#include <string>
#include <vector>

#include <fmt/core.h>

using namespace std::chrono_literals;

aya::task<std::string> slow_operation() {
    co_await aya::sleep(10s);
    co_return "done";
}

aya::task<> program() {
    // One awaitable.
    try {
        fmt::print("{}\n", co_await aya::wait_for(slow_operation(), 300ms));
    } catch (aya::timeout_error const&) {
        fmt::print("wait_for: not done within 0.3 s\n");
    }

    // Everything that a function awaits.
    try {
        fmt::print("{}\n", co_await aya::timeout(300ms, slow_operation));
    } catch (aya::timeout_error const&) {
        fmt::print("timeout: not done within 0.3 s\n");
    }

    // Whatever comes first.
    std::vector<aya::task_handle<std::string>> tasks;
    tasks.push_back(aya::create_task(slow_operation()));
    tasks.push_back(aya::create_task(aya::sleep(200ms, std::string("the clock"))));
    auto first = co_await aya::wait(tasks, {.return_when = aya::first_completed});
    for (auto& t : first.pending)
        t.cancel();
    for (auto& t : first.done)
        fmt::print("wait: {} was first\n", co_await t);
}

int main() {
    aya::run(program());
}
