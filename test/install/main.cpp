// SPDX-License-Identifier: Apache-2.0
// A program outside the project: it waits for blocking calls on other threads, and says which versions it is made of.
#include <aya/aya.hpp>

#include <cstdio>

int square(int x) { return x * x; }

aya::task<int> square_elsewhere(int x) { co_return co_await aya::to_thread(square, x); }

aya::task<int> sum_of_squares() {
    auto [a, b, c] = co_await aya::gather(square_elsewhere(1), square_elsewhere(4), square_elsewhere(5));
    co_return a + b + c;
}

int main() {
    int const sum = aya::run(sum_of_squares());
    std::printf("sum %d, headers %d.%d.%d, library %s\n", sum, AYA_VERSION_MAJOR, AYA_VERSION_MINOR, AYA_VERSION_PATCH,
                aya::version().data());
}
