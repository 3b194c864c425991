// SPDX-License-Identifier: Apache-2.0
// The first steps: a coroutine that waits, three at once with gather(), and tasks that run on by themselves.
#include <aya/aya.hpp>

#include <chrono>
#include <string>

#include <fmt/core.h>

using namespace std::chrono_literals;

aya::task<std::string> greet(std::string name) {
    co_await aya::sleep(1s);  // stands for waiting for a disk or a network
    co_return "Hello, " + name + "!";
}

aya::task<std::string> fetch(std::string url) {
    co_await aya::sleep(1s);
    co_return url + ": ok";
}

aya::task<> hello() {
    // Awaiting a coroutine runs it to its end.
    fmt::print("{}\n", co_await greet("World"));

    // gather() runs several at once, on as many cores as there are: three seconds of waiting in one.
    auto [users, items, orders] = co_await aya::gather(fetch("/users"), fetch("/items"), fetch("/orders"));
    fmt::print("{}\n{}\n{}\n", users, items, orders);

    // create_task() starts a coroutine now; awaiting it is for later.
    auto first = aya::create_task(greet("first task"));
    auto second = aya::create_task(greet, "second task");
    fmt::print("both tasks run\n");
    fmt::print("{}\n{}\n", co_await first, co_await second);
}

int main() {
    aya::run(hello());
}
