// SPDX-License-Identifier: Apache-2.0
// Producer and consumers: one task makes jobs, three work on them, and a queue of ten places lies between.
//
//     pipeline [FACTOR]     FACTOR scales the delays: 1 (default) takes four seconds, 0.01 a blink
#include <aya/aya.hpp>

#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>

using seconds = std::chrono::duration<double>;

struct job {
    int id = 0;
    std::string data;
};

// No job at all is the signal to stop.
using job_queue = aya::queue<std::optional<job>>;

struct delays {
    seconds produce{0.1};
    seconds consume{0.5};
};

aya::task<> producer(job_queue* jobs, int count, delays pace) {
    for (int i = 0; i < count; ++i) {
        job made{i, fmt::format("item_{}", i)};
        co_await jobs->put(std::move(made));  // waits while the queue is full
        fmt::print("Produced: {}\n", i);
        co_await aya::sleep(pace.produce);
    }
    co_await jobs->put(std::nullopt);
}

aya::task<> consumer(job_queue* jobs, int id, delays pace) {
    while (std::optional<job> next = co_await jobs->get()) {
        co_await aya::sleep(pace.consume);  // stands for the work
        fmt::print("Worker {}: processed job {}\n", id, next->id);
        jobs->task_done();
    }
    co_await jobs->put(std::nullopt);  // the other consumers are to stop as well
}

aya::task<> produce_and_consume(job_queue* jobs, delays pace) {
    auto producing = aya::create_task(producer(jobs, 20, pace));
    std::vector<aya::task_handle<>> consuming;
    for (int id = 0; id < 3; ++id) {
        consuming.push_back(aya::create_task(consumer(jobs, id, pace)));
    }

    co_await producing;
    co_await aya::gather(consuming);
}

int main(int argc, char** argv) {
    double const factor = argc > 1 ? std::atof(argv[1]) : 1.0;
    delays pace;
    pace.produce *= factor;
    pace.consume *= factor;

    job_queue jobs(10);  // here, so that it outlives every task that waits at it, even after Ctrl-C
    try {
        aya::run(produce_and_consume(&jobs, pace));
    } catch (aya::keyboard_interrupt const&) {
        return 130;
    }
}
