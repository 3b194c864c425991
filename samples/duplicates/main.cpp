// SPDX-License-Identifier: Apache-2.0
// duplicates: lists files of the same content. A pipeline of aya tasks: see pipeline.hpp.
#include "groups.hpp"
#include "options.hpp"
#include "output.hpp"
#include "pipeline.hpp"
#include "progress.hpp"
#include "tally.hpp"
#include "walk.hpp"

#include <aya/aya.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

namespace duplicates {
namespace {

constexpr int exit_missing = 1;
constexpr int exit_usage = 2;
constexpr int exit_interrupted = 130;

aya::task<> search(pipeline* stages, tally const* counts, bool progress) {
    if (!progress) {
        co_await stages->run();
        co_return;
    }
    auto line = aya::create_task(show_progress(stages, counts));
    co_await stages->run();
    line.cancel();
    try {
        co_await line;
    } catch (aya::cancelled_error const&) {
        // It was this function that asked.
    }
}

// Content is read from many files at a time.
void allow_many_open_files() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int run(options const& chosen) {
    auto const start = std::chrono::steady_clock::now();
    allow_many_open_files();
    std::size_t const tasks_a_stage =
        chosen.workers != 0 ? chosen.workers : std::max<std::size_t>(1, std::thread::hardware_concurrency());

    // All of this outlives the runtime, and so every job on its pools.
    tally counts(chosen.verbose);
    walk_options limits;
    limits.min_size = chosen.min_size;
    walker files(chosen.roots, limits, counts);
    for (std::string const& message : files.missing_roots()) {
        std::fprintf(stderr, "duplicates: %s\n", message.c_str());
    }
    collector found;
    pipeline stages(chosen, tasks_a_stage, files, counts, found);

    aya::runtime_options runtime;
    runtime.scheduler =
        chosen.single_loop ? aya::scheduler_kind::event_loop : aya::scheduler_kind::thread_pool;
    runtime.workers = chosen.workers;
    runtime.cpu_threads = chosen.workers;
    bool const progress = isatty(STDERR_FILENO) != 0;
    bool interrupted = false;
    try {
        aya::run(search(&stages, &counts, progress), runtime);
    } catch (aya::keyboard_interrupt const&) {
        interrupted = true;
    }
    auto const results = sorted_results(found, files.linked_files(), chosen.hard_links);
    print(results, chosen.format);
    if (chosen.summary) {
        std::chrono::duration<double> const taken = std::chrono::steady_clock::now() - start;
        print_summary(results, counts, taken.count());
    }
    if (interrupted) {
        return exit_interrupted;
    }
    return files.missing_roots().empty() ? 0 : exit_missing;
}

}  // namespace
}  // namespace duplicates

int main(int argc, char** argv) {
    try {
        duplicates::options const chosen = duplicates::parse_options(argc, argv);
        if (chosen.help) {
            std::fwrite(duplicates::help_text.data(), 1, duplicates::help_text.size(), stdout);
            return 0;
        }
        return duplicates::run(chosen);
    } catch (duplicates::usage_error const& wrong) {
        std::fprintf(stderr, "duplicates: %s; --help tells more\n", wrong.what());
        return duplicates::exit_usage;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "duplicates: %s\n", error.what());
        return duplicates::exit_missing;
    }
}
