// SPDX-License-Identifier: Apache-2.0
// Trying again, with pauses that grow: for failures that pass.
#include <aya/aya.hpp>

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

#include <fmt/core.h>

using namespace std::chrono_literals;

struct connection_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

aya::task<std::string> fetch(int& attempts, int failures) {
    co_await aya::sleep(10ms); // stands for a request
    ++attempts;
    fmt::print("attempt {}\n", attempts);
    if (attempts <= failures)
        throw connection_error("connection refused");
    co_return "the answer";
}

aya::task<> program() {
    int attempts = 0;
    // Two failures, then it works. Only these two kinds of errors are worth another try.
    aya::retry_options const options{.max_retries = 3, .base_delay = 50ms, .max_delay = 1s};
    fmt::print("{}\n", co_await aya::retry<connection_error, aya::timeout_error>(options, fetch, std::ref(attempts), 2));

    attempts = 0;
    try {
        co_await aya::retry<connection_error>(options, fetch, std::ref(attempts), 100);
    } catch (connection_error const& e) {
        fmt::print("gave up after {} attempts: {}\n", attempts, e.what());
    }
}

int main() {
    aya::run(program());
}
