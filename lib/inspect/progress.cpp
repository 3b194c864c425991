// SPDX-License-Identifier: Apache-2.0
#include <aya/track.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include <sys/ioctl.h>
#include <unistd.h>

namespace aya::inline v1 {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view clear_line = "\r\033[K";
constexpr std::chrono::nanoseconds redraw = 100ms;
constexpr std::chrono::nanoseconds without_total = 10s;

std::int64_t ticks() noexcept { return std::chrono::steady_clock::now().time_since_epoch().count(); }

std::size_t width_of(int terminal) noexcept {
    winsize size{};
    return ::ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void write_all(int descriptor, std::string_view text) noexcept {
    while (!text.empty()) {
        ssize_t const written = ::write(descriptor, text.data(), text.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return; // nobody looks
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

double part(std::size_t done, std::size_t total) noexcept {
    return total == 0 ? 0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
}

// Four digits, or all before the point: 12.34, 65350000.
std::string rate_text(double rate) { return rate < 1000 ? fmt::format("{:.4g}", rate) : fmt::format("{:.0f}", rate); }

} // namespace

progress::progress(track_options options)
    : label_(options.label), unit_(options.unit), descriptor_(options.descriptor), terminal_(::isatty(options.descriptor) == 1),
      begin_(std::chrono::steady_clock::now()), total_(options.total) {
    next_draw_.store(terminal_ ? 0 : ticks() + without_total.count());
}

// True for one caller each time that something may have to be written.
bool progress::due() noexcept {
    // Relaxed: figures, and a time that need not be exact; the mutex orders what is drawn.
    if (!terminal_ && total_.load(std::memory_order_relaxed) != 0) {
        double const d = part(done_.load(std::memory_order_relaxed), total_.load(std::memory_order_relaxed));
        auto const tenths = static_cast<std::size_t>(d * 10);
        std::size_t written = tenths_.load(std::memory_order_relaxed);
        // The last one is finish()'s.
        return tenths > written && tenths != 10 && tenths_.compare_exchange_strong(written, tenths, std::memory_order_relaxed);
    }
    std::int64_t const time = ticks();
    std::int64_t next = next_draw_.load(std::memory_order_relaxed);
    return time >= next && next_draw_.compare_exchange_strong(next, time + (terminal_ ? redraw : without_total).count(), std::memory_order_relaxed);
}

void progress::draw(bool last) noexcept {
    try {
        std::lock_guard const guard(mutex_);
        if (finished_)
            return;
        finished_ = last;
        std::size_t const done = done_.load(std::memory_order_relaxed), total = total_.load(std::memory_order_relaxed); // as above
        double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
        std::string text = total == 0 ? fmt::format("{}", done) : fmt::format("{} of {}", done, total);
        if (!unit_.empty())
            text += " " + unit_;
        if (total != 0)
            text += fmt::format(", {:.0f} %", 100 * part(done, total));
        if (seconds > 0.001)
            text += fmt::format(", {} a second", rate_text(static_cast<double>(done) / seconds));
        if (!note_.empty())
            text += " " + note_;
        std::string const label = label_.empty() ? std::string() : label_ + (terminal_ ? " " : ": ");
        if (!terminal_) {
            write_all(descriptor_, label + text + "\n");
            return;
        }
        std::size_t const columns = width_of(descriptor_) - 1;
        std::string bar;
        if (total != 0) {
            std::size_t const rest = columns > label.size() + text.size() + 3 ? columns - label.size() - text.size() - 3 : 0;
            std::size_t const width = std::clamp<std::size_t>(rest, 8, 40);
            auto const full = static_cast<std::size_t>(part(done, total) * static_cast<double>(width));
            bar = fmt::format("[{}{}] ", std::string(full, '='), std::string(width - full, ' '));
        }
        std::string line = label + bar + text;
        line.resize(std::min(line.size(), columns));
        write_all(descriptor_, std::string(clear_line) + line + (last ? "\n" : ""));
        drawn_ = !last;
    } catch (...) {
        // No memory for a line: the next one, perhaps.
    }
}

void progress::show(std::size_t done, std::size_t total, std::string_view note) {
    {
        std::lock_guard const guard(mutex_);
        note_ = note;
    }
    // Relaxed: as in advance().
    done_.store(done, std::memory_order_relaxed);
    total_.store(total, std::memory_order_relaxed);
    if (due())
        draw(false);
}

void progress::clear() noexcept {
    std::lock_guard const guard(mutex_);
    if (std::exchange(drawn_, false))
        write_all(descriptor_, clear_line);
}

void progress::finish() noexcept { draw(true); }

void progress::discard() noexcept {
    clear();
    std::lock_guard const guard(mutex_);
    finished_ = true;
}

} // namespace aya::inline v1
