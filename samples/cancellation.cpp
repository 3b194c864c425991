// SPDX-License-Identifier: Apache-2.0
// A task that cleans up when it is cancelled: the cleaning up may wait, too.
#include <aya/aya.hpp>

#include <chrono>
#include <string>

#include <fmt/core.h>

using namespace std::chrono_literals;

aya::task<> work(std::string name) {
    fmt::print("{}: begins\n", name);
    // What has to happen in any case goes into a task group's body or a destructor; what has to wait, behind the work.
    aya::cancelled_error cancelled;
    try {
        for (;;) {
            co_await aya::sleep(100ms);
            fmt::print("{}: working\n", name);
        }
    } catch (aya::cancelled_error const& c) {
        cancelled = c;
    }
    fmt::print("{}: cancelled ({}), cleans up\n", name, cancelled.what());
    co_await aya::sleep(10ms); // stands for closing a connection
    fmt::print("{}: clean\n", name);
    throw cancelled; // the one who cancelled it wants to know that it worked
}

aya::task<> program() {
    auto task = aya::create_task(work("worker A"));
    co_await aya::sleep(350ms);
    task.cancel("enough");
    try {
        co_await task;
    } catch (aya::cancelled_error const&) {
        fmt::print("the task was cancelled\n");
    }
}

int main() {
    aya::run(program());
}
