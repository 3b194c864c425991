// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <aya/track.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include <fmt/format.h>
#include <unistd.h>

namespace duplicates {
namespace {

using namespace std::chrono_literals;
using seconds = std::chrono::duration<double>;

constexpr auto interval = 100ms;

// The end of the line: files, and how many batches wait before each stage.
std::string note(pipeline const& stages, tally const& counts, double bytes_a_second) {
    std::string text = fmt::format("; {} files{}, now {:.1f} MB/s; queued:", counts.files.load(tally::relaxed),
                                   counts.walk_done.load(tally::relaxed) ? "" : "+", bytes_a_second / 1e6);
    for (auto const& [stage, batches] : stages.waiting()) {
        fmt::format_to(std::back_inserter(text), " {} {}", stage, batches);
    }
    return text;
}

}  // namespace

aya::task<> show_progress(pipeline const* stages, tally const* counts) {
    aya::progress line({.unit = "MB", .descriptor = STDERR_FILENO});
    // On every way out: what is printed next has the line to itself.
    struct clearing {
        aya::progress& line;
        ~clearing() { line.discard(); }
    } const at_the_end{line};
    auto before = std::chrono::steady_clock::now();
    std::uint64_t bytes_before = 0;
    double rate = 0;
    while (true) {
        co_await aya::sleep(interval);
        auto const now = std::chrono::steady_clock::now();
        auto const bytes = counts->bytes.load(tally::relaxed);
        double const current = static_cast<double>(bytes - bytes_before) / seconds(now - before).count();
        rate += 0.3 * (current - rate);  // smooth enough to be read
        before = now;
        bytes_before = bytes;
        auto const megabytes = [](std::uint64_t n) { return static_cast<std::size_t>(n / 1'000'000); };
        line.show(megabytes(bytes), megabytes(counts->expected.load(tally::relaxed)), note(*stages, *counts, rate));
    }
}

}  // namespace duplicates
