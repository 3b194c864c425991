// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace duplicates {
namespace {

using namespace std::chrono_literals;
using seconds = std::chrono::duration<double>;

constexpr char clear_line[] = "\r\033[K";
constexpr auto interval = 100ms;

std::size_t terminal_width() {
    winsize size{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(double part, std::size_t width) {
    auto const full = static_cast<std::size_t>(std::clamp(part, 0.0, 1.0) * static_cast<double>(width));
    return fmt::format("[{}{}]", std::string(full, '='), std::string(width - full, ' '));
}

std::string line(pipeline const& stages, tally const& counts, double bytes_a_second) {
    std::string text = fmt::format(" {} files{} {:.1f} MB/s; queued:", counts.files.load(tally::relaxed),
                                   counts.walk_done.load(tally::relaxed) ? "" : "+", bytes_a_second / 1e6);
    for (auto const& [stage, batches] : stages.waiting()) {
        fmt::format_to(std::back_inserter(text), " {} {}", stage, batches);
    }
    auto const expected = static_cast<double>(counts.expected.load(tally::relaxed));
    auto const read = static_cast<double>(counts.bytes.load(tally::relaxed));
    std::size_t const columns = terminal_width() - 1;
    std::size_t const rest = columns > text.size() + 2 ? columns - text.size() - 2 : 0;
    text.insert(0, bar(expected > 0 ? read / expected : 0.0, std::clamp<std::size_t>(rest, 8, 40)));
    text.resize(std::min(text.size(), columns));
    return text;
}

void write_terminal(std::string const& text) {
    [[maybe_unused]] auto const written = write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

aya::task<> show_progress(pipeline const* stages, tally const* counts) {
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
        write_terminal(clear_line + line(*stages, *counts, rate));
    }
}

void clear_progress() {
    write_terminal(clear_line);
}

}  // namespace duplicates
