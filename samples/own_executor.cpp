// SPDX-License-Identifier: Apache-2.0
// A program that has a pool of threads already: tasks and calls run on it.
#include <aya/aya.hpp>

#include <oneapi/tbb/task_arena.h>

#include <cstdio>
#include <memory>
#include <utility>

namespace {

// All that aya needs of it: a copyable handle whose execute() has each piece of work called once.
struct arena_executor {
    tbb::task_arena* arena;
    void execute(aya::work w) const {
        arena->enqueue([shared = std::make_shared<aya::work>(std::move(w))] { (*shared)(); });
    }
};
static_assert(aya::executor<arena_executor>);

aya::task<int> sum_to(int n) {
    int sum = 0;
    for (int i = 1; i <= n; ++i) {
        sum += i;
        co_await aya::yield(); // each step runs in the arena
    }
    co_return sum;
}

aya::task<int> use_it(aya::any_executor pool) {
    auto const in_arena = aya::create_task(sum_to(100), {.executor = pool});
    int const called = co_await aya::run_in_executor(pool, [](int a, int b) { return a * b; }, 6, 7);
    aya::any_executor const home = aya::this_executor();
    co_await aya::resume_on(pool); // the rest of this function as well, until it goes home
    int const here = tbb::this_task_arena::max_concurrency();
    co_await aya::resume_on(home);
    std::printf("sum %d, product %d, in an arena of %d\n", co_await in_arena, called, here);
    co_return co_await in_arena == 5050 && called == 42 && here == 1 ? 0 : 1;
}

} // namespace

int main() {
    tbb::task_arena arena(1, 0);
    return aya::run(use_it, aya::any_executor(arena_executor{&arena}));
}
