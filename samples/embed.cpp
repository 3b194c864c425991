// SPDX-License-Identifier: Apache-2.0
// A host with threads of its own and two runtimes: one for the requests of those threads, one for the log. It submits work,
// takes results as std::future, and shuts both down in good order. Ends with 0 if everything came out as it should.
#include <aya/aya.hpp>
#include <aya/std_future.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

using namespace std::chrono_literals;

namespace {

constexpr int host_threads = 4;
constexpr int requests_each = 50;

/// What the library is embedded for: a part of the answer from somewhere else, a part computed on the CPU pool.
aya::task<int> answer(int question) {
    int const looked_up = co_await aya::sleep(1ms, question * 10);
    auto square = [question] { return question * question; };
    int const computed = co_await aya::to_cpu(square);
    co_return looked_up + computed;
}

/// Lives in the second runtime, and is fed by callbacks of any thread.
class log_book {
public:
    explicit log_book(aya::runtime& home) : home_(home) {}

    /// Any thread. The callbacks of a runtime run one at a time, so the book needs no lock.
    void note(std::string line) {
        (void)aya::call_soon_threadsafe(home_, [this, line = std::move(line)] { lines_.push_back(line); });
    }
    /// Once the runtime is shut down.
    [[nodiscard]] std::size_t size() const { return lines_.size(); }

private:
    aya::runtime& home_;
    std::vector<std::string> lines_;
};

/// One of the host's own threads.
int serve(aya::runtime& engine, log_book& log, int thread) {
    int wrong = 0;
    std::vector<std::future<int>> answers;
    for (int i = 0; i < requests_each; ++i)
        answers.push_back(aya::submit(engine, answer, thread + i));
    for (int i = 0; i < requests_each; ++i) {
        int const question = thread + i;
        int const got = answers[static_cast<std::size_t>(i)].get();
        wrong += got == question * 10 + question * question ? 0 : 1;
        log.note(fmt::format("thread {}: {} -> {}", thread, question, got));
    }
    return wrong;
}

aya::task<> poll_for_ever() {
    for (;;)
        co_await aya::sleep(10ms);
}

} // namespace

int main() {
    std::atomic<int> workers{0};

    aya::runtime_options for_engine;
    for_engine.name = "engine"; // its threads are called engine-0, engine-1, …
    for_engine.workers = 2;
    for_engine.on_thread_start = [&](std::size_t) { workers.fetch_add(1); };
    for_engine.on_thread_stop = [&](std::size_t) { workers.fetch_sub(1); };
    for_engine.exception_handler = [](aya::exception_report const& r) { fmt::print(stderr, "engine: {}\n", r.message); };

    aya::runtime_options for_log;
    for_log.name = "log";
    for_log.workers = 1;
    for_log.lazy_workers = true; // no thread until the first line

    int wrong = 0;
    aya::shutdown_report of_engine;
    aya::shutdown_report of_log;
    std::size_t lines = 0;
    {
        aya::runtime log_runtime(for_log);
        log_book log(log_runtime);
        aya::runtime engine(for_engine);

        (void)engine.spawn(poll_for_ever(), {.name = "poll for ever"});

        std::vector<std::future<int>> hosts;
        for (int t = 0; t < host_threads; ++t)
            hosts.push_back(std::async(std::launch::async, [&engine, &log, t] { return serve(engine, log, t); }));
        for (auto& h : hosts)
            wrong += h.get();

        // In the order in which one uses the other. What is left after a tenth of a second is cancelled, and named.
        of_engine = engine.shutdown(100ms);
        of_log = log_runtime.shutdown(100ms);
        lines = log.size();

        try {
            (void)engine.spawn(answer(1));
            ++wrong;
        } catch (aya::invalid_state_error const& e) {
            fmt::print("refused, as it should be: {}\n", e.what());
        }
    }
    for (auto const& name : of_engine.left)
        fmt::print("cancelled at the deadline: {}\n", name);
    fmt::print("{} answers, {} wrong; {} lines in the log; {} workers left\n", host_threads * requests_each, wrong, lines,
               workers.load());
    bool const good = wrong == 0 && lines == host_threads * requests_each && of_engine.cancelled == 1 &&
                      of_engine.left == std::vector<std::string>{"poll for ever"} && of_log.left.empty() && workers.load() == 0;
    return good ? 0 : 1;
}
