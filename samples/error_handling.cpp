// SPDX-License-Identifier: Apache-2.0
// Errors of many tasks: handled in each one, collected by gather(), and all of them out of a task group.
#include <aya/aya.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/core.h>

using namespace std::chrono_literals;

struct connection_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct report {
    int item;
    std::string status;
};

aya::task<report> risky_operation(int item) {
    if (item % 3 == 0)
        throw connection_error(fmt::format("no connection for item {}", item));
    if (item % 7 == 0)
        throw std::invalid_argument(fmt::format("item {} makes no sense", item));
    co_await aya::sleep(100ms);
    co_return report{item, "success"};
}

aya::task<report> safe_operation(int item) {
    try {
        co_return co_await risky_operation(item);
    } catch (connection_error const&) {
        co_return report{item, "connection error"};
    } catch (std::invalid_argument const&) {
        co_return report{item, "invalid"};
    }
}

aya::task<> group_of(aya::task_group& group) {
    for (int i = 0; i < 4; ++i)
        group.create_task(risky_operation(3 * i));
    co_return;
}

aya::task<> program() {
    std::vector<aya::task<report>> all;
    for (int i = 0; i < 20; ++i)
        all.push_back(safe_operation(i));
    int good = 0;
    for (report const& r : co_await aya::gather(std::move(all)))
        good += r.status == "success";
    fmt::print("{} succeeded, {} failed\n", good, 20 - good);

    // Without handlers: the first failure is thrown ...
    try {
        co_await aya::gather(risky_operation(1), risky_operation(3));
    } catch (connection_error const& e) {
        fmt::print("gather threw: {}\n", e.what());
    }
    // ... or each result or exception is there to look at.
    auto [one, three] = co_await aya::gather(aya::return_exceptions, risky_operation(1), risky_operation(3));
    fmt::print("item 1: {}, item 3: {}\n", one.has_value() ? "a value" : "an exception", three.has_value() ? "a value" : "an exception");

    // A task group throws what all of its tasks threw.
    try {
        co_await aya::with_task_group(group_of);
    } catch (aya::exception_group const& e) {
        fmt::print("the group threw an exception group of {} or more\n", e.exceptions().empty() ? 0 : 1);
    }
}

int main() {
    aya::run(program());
}
