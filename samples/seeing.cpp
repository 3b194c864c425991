// SPDX-License-Identifier: Apache-2.0
// Looking into a program: each word provokes one kind of report, or shows one kind of view.
//
//     seeing tree | crash | graph | stack | slow | unawaited | unretrieved | alive | deadlock | promise | thread | track | metrics | trace FILE | wait TASKS | twins
#include <aya/aya.hpp>
#include <aya/trace.hpp>
#include <aya/track.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

namespace {

aya::task<int> fetch(int page) {
    co_await aya::sleep(1s);  // stands for a request
    co_return page;
}

aya::task<int> fetch_all() {
    auto [a, b] = co_await aya::gather(fetch(1), fetch(2));
    co_return a + b;
}

aya::task<> consume(aya::queue<int>* from) {
    for (;;)
        (void)co_await from->get();
}

// Who waits for what.
aya::task<> tree() {
    aya::queue<int> pages;
    auto const fetcher = aya::create_task(fetch_all(), {.name = "fetcher"});
    auto const consumer = aya::create_task(consume(&pages), {.name = "consumer"});
    co_await aya::sleep(50ms);
    aya::dump_tasks(std::cout);
    consumer.cancel();
    fetcher.cancel();
    std::vector<aya::any_task_handle> const both{fetcher, consumer};
    while (!both[0].done() || !both[1].done())
        co_await aya::yield();
}

aya::task<> wait_for(aya::task_handle<int> pages) {
    (void)co_await pages;
}

// What a debugger finds in the core: lib/tools/aya-gdb.py.
aya::task<> crash() {
    aya::queue<int> pages;
    auto const fetcher = aya::create_task(fetch_all(), {.name = "fetcher"});
    auto const consumer = aya::create_task(consume(&pages), {.name = "consumer"});
    auto const reader = aya::create_task(wait_for(fetcher), {.name = "reader"});
    co_await aya::sleep(50ms);
    std::abort();
}

aya::task<> ask() {
    co_await aya::yield();  // by then somebody waits for this task
    aya::call_graph const graph = co_await aya::capture_call_graph();
    aya::print_call_graph(graph, std::cout);
}

aya::task<> graph() {
    co_await aya::create_task(ask(), {.name = "asking"});
}

aya::task<> read_header() {
    co_await aya::yield();
    throw std::runtime_error("no magic number");
}
aya::task<> open_file() {
    co_await read_header();
}

// A report that says where an exception came through.
aya::task<> stack() {
    auto handle = aya::create_task(open_file(), {.name = "opener"});
    while (!handle.done())
        co_await aya::yield();
}  // and nobody asks what became of it

aya::task<> parse() {
    co_await aya::yield();
    std::this_thread::sleep_for(300ms);  // what to_thread() and to_cpu() are for
}

aya::task<> slow() {
    co_await aya::create_task(parse(), {.name = "parser"});
}

aya::task<> unawaited() {
    {
        auto const forgotten = fetch(3);
    }
    co_return;
}

aya::task<> fail() {
    throw std::runtime_error("out of paper");
    co_return;
}
aya::task<> unretrieved() {
    auto handle = aya::create_task(fail(), {.name = "printer"});
    while (!handle.done())
        co_await aya::yield();
}

aya::task<> alive() {
    (void)aya::create_task(fetch(4), {.name = "straggler"});
    co_await aya::sleep(100ms);
}

aya::task<> lock_both(aya::mutex* first, aya::mutex* second) {
    auto const one = co_await first->lock();
    co_await aya::sleep(100ms);
    auto const two = co_await second->lock();
}

// Two tasks that wait for each other: the watchdog tells.
aya::task<> deadlock() {
    aya::mutex a, b;
    auto const left = aya::create_task(lock_both(&a, &b), {.name = "left"});
    auto const right = aya::create_task(lock_both(&b, &a), {.name = "right"});
    co_await left;
    co_await right;
}

// Nobody is left to keep the promise.
aya::task<> promise() {
    aya::promise<int> answer;
    co_await answer.get_future();
}

// The pool's threads belong to no runtime.
aya::task<> call_from_the_pool() {
    co_await aya::to_thread([] { (void)aya::call_soon([] {}); });
}

aya::task<> thread() {
    auto handle = aya::create_task(call_from_the_pool(), {.name = "outsider"});
    while (!handle.done())
        co_await aya::yield();
}

aya::task<int> hash(int file) {
    co_await aya::sleep(10ms);
    co_return file;
}

// A pipeline that says how far it is.
aya::task<> track() {
    co_await aya::gather(aya::max_concurrency{4}, aya::track(std::views::iota(0, 40), {.label = "hashing", .unit = "files"}) | std::views::transform(hash));
}

aya::task<> work() {
    std::vector<aya::task<int>> all;
    for (int i = 0; i < 8; ++i)
        all.push_back(fetch(i));
    co_await aya::gather(std::move(all));
}

aya::task<> crunch(int n) {
    aya::trace_span const span("crunch");
    for (int i = 0; i < 4; ++i) {
        co_await aya::to_cpu([n] {
            auto const end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2 + n);
            while (std::chrono::steady_clock::now() < end) {
            }
        });
        co_await aya::sleep(3ms);
    }
}

aya::task<> traced() {
    co_await aya::with_task_group([](aya::task_group& group) -> aya::task<> {
        for (int n = 0; n < 3; ++n)
            group.create_task(crunch(n), {.name = n == 0 ? "zero" : n == 1 ? "one" : "two"});
        co_return;
    });
}

// How long threads of this process have been ready to run in all, and had no CPU.
std::chrono::nanoseconds without_cpu() {
    std::chrono::nanoseconds::rep all = 0;
    std::error_code error;
    for (std::filesystem::directory_iterator i("/proc/self/task", error), end; !error && i != end; i.increment(error)) {
        std::chrono::nanoseconds::rep on_cpu = 0, waiting = 0;
        if (std::ifstream(i->path() / "schedstat") >> on_cpu >> waiting)
            all += waiting;
    }
    return std::chrono::nanoseconds(all);
}

std::atomic<bool> stop{false};
std::atomic<bool> asked{false};

// Many tasks that wait, until SIGTERM or SIGINT: for aya-ps. And one that notices when it is held up, and tells at SIGUSR2.
aya::task<> wait(int tasks) {
    for (int i = 0; i < tasks; ++i)
        (void)aya::create_task([]() -> aya::task<> { co_await aya::sleep(24h); });
    std::puts("ready");
    std::fflush(stdout);
    auto longest = 0ns;
    while (!stop.load()) {
        auto const begin = std::chrono::steady_clock::now();
        auto const before = without_cpu();
        co_await aya::sleep(1ms);
        (void)aya::create_task([]() -> aya::task<> { co_return; });  // what a look at the tasks could hold up
        auto const taken = std::chrono::steady_clock::now() - begin;
        longest = std::max<std::chrono::nanoseconds>(longest, taken - (without_cpu() - before));  // a busy machine is nobody's lock
        if (asked.exchange(false)) {
            std::printf("longest pause %.3f ms\n", std::chrono::duration<double, std::milli>(longest).count());
            std::fflush(stdout);
            longest = 0ns;
        }
    }
}

int usage() {
    std::fputs("usage: seeing tree | crash | graph | stack | slow | unawaited | unretrieved | alive | deadlock | promise | thread | track | metrics | "
               "trace FILE | wait TASKS | twins\n",
               stderr);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    std::string_view const word = argc > 1 ? argv[1] : "";
    aya::runtime_options options;
    options.workers = 2;
    if (word == "wait" && argc == 3) {
        options.inspection = true;
        options.dump_signal = SIGUSR1;
        std::signal(SIGTERM, [](int) { stop.store(true); });
        std::signal(SIGUSR2, [](int) { asked.store(true); });
        aya::runtime(options).block_on(wait, std::atoi(argv[2]));
        return 0;
    }
    if (word == "twins") {  // two runtimes of the same name, for `aya-ps --metrics`
        options.inspection = true;
        aya::runtime first(options), second(options);
        std::puts("ready");
        std::fflush(stdout);
        (void)std::getchar();
        return 0;
    }
    if (word == "metrics") {
        options.histograms = true;
        aya::runtime rt(options);
        rt.block_on(work());
        std::fputs(rt.metrics().prometheus().c_str(), stdout);
        return 0;
    }
    if (word == "trace" && argc == 3) {
        aya::runtime rt(options);
        aya::start_trace(rt);
        rt.block_on(traced());
        aya::write_trace(rt, argv[2]);
        return 0;
    }
    struct {
        std::string_view word;
        aya::task<> (*run)();
    } const all[] = {{"tree", tree},   {"crash", crash}, {"graph", graph}, {"stack", stack}, {"slow", slow}, {"unawaited", unawaited},
                     {"alive", alive}, {"unretrieved", unretrieved}, {"thread", thread}, {"deadlock", deadlock}, {"promise", promise}, {"track", track}};
    options.debug = true;
    if (word == "deadlock" || word == "promise")
        options.exception_handler = [](aya::exception_report const& r) {
            if (!r.message.starts_with("All tasks are asleep"))
                return;
            std::fprintf(stderr, "aya: %s\n%s", std::string(r.message).c_str(), r.stack.c_str());
            std::_Exit(0);  // nothing more would happen
        };
    for (auto const& one : all) {
        if (one.word != word)
            continue;
        aya::runtime(options).block_on(one.run);
        return 0;
    }
    return usage();
}
