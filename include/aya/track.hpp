// SPDX-License-Identifier: Apache-2.0
// Progress: how far a loop or a pipeline has come, as a bar on a terminal and as plain lines elsewhere.
#pragma once

#include <aya/async_generator.hpp>
#include <aya/task.hpp>

#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>

namespace aya::inline v1 {

/// Trivially destructible, so it may be written in an awaited call; what it refers to is copied.
struct track_options {
    std::string_view label = {};
    /// Of items; 0: taken from the range if it knows its size, else unknown.
    std::size_t total = 0;
    std::string_view unit = {}; ///< of the items, behind their number
    int descriptor = 2;         ///< standard error
};

/// A line that says how far something is: "hashing [=======        ]  45 of 100 files, 45 %, 12.3 a second". On a terminal it is drawn anew, ten times a
/// second at most; elsewhere, in a file or a pipe, a line is written for each tenth of the total, or, if that is not known, every ten seconds. The
/// last state is always written. For loops that track() does not fit.
/// Thread safety: advance() and show() from any thread and task. Cost: one locked instruction, and now and then a system call.
class progress {
public:
    explicit progress(track_options options);
    /// Writes the last state; a bar stays on the screen.
    ~progress() { finish(); }
    progress(progress const&) = delete;
    progress& operator=(progress const&) = delete;

    void advance(std::size_t items = 1) noexcept {
        // Relaxed: a figure, nothing is ordered by it.
        done_.fetch_add(items, std::memory_order_relaxed);
        if (due())
            draw(false);
    }
    /// For those who know how far they are: sets it, with a total that may have changed, and a text for the end of the line.
    void show(std::size_t done, std::size_t total, std::string_view note = {});
    /// Removes a bar, so that something else can be printed; what comes next draws it again.
    void clear() noexcept;
    /// Writes the last state now. Nothing is written after this.
    void finish() noexcept;
    /// The same without it: a bar is removed.
    void discard() noexcept;

    [[nodiscard]] std::size_t done() const noexcept { return done_.load(std::memory_order_relaxed); } // as above

private:
    [[nodiscard]] bool due() noexcept;
    void draw(bool last) noexcept;

    std::string const label_;
    std::string const unit_;
    int const descriptor_;
    bool const terminal_;
    std::chrono::steady_clock::time_point const begin_;
    std::atomic<std::size_t> done_{0};
    std::atomic<std::size_t> total_;
    std::atomic<std::int64_t> next_draw_{0}; // on the steady clock
    std::atomic<std::size_t> tenths_{0}; // that have been written as lines
    std::mutex mutex_; // guards what follows, and the terminal
    std::string note_;
    bool drawn_ = false;     // a bar stands there
    bool finished_ = false;
};

namespace detail {

/// A view that counts what is taken from it: an input range, whatever the one behind it is.
template <std::ranges::view View>
    requires std::ranges::input_range<View>
class tracked_view : public std::ranges::view_interface<tracked_view<View>> {
    using inner_iterator = std::ranges::iterator_t<View>;
    using inner_sentinel = std::ranges::sentinel_t<View>;

public:
    tracked_view(View v, track_options options) : view_(std::move(v)), progress_(std::make_unique<progress>(sized(view_, options))) {}

    class sentinel;
    class iterator {
    public:
        using iterator_concept = std::input_iterator_tag;
        using difference_type = std::ranges::range_difference_t<View>;
        using value_type = std::ranges::range_value_t<View>;

        iterator(inner_iterator i, progress& p) : inner_(std::move(i)), progress_(&p) {}
        decltype(auto) operator*() const { return *inner_; }
        iterator& operator++() {
            ++inner_;
            progress_->advance();
            return *this;
        }
        void operator++(int) { ++*this; }

    private:
        friend sentinel;
        inner_iterator inner_;
        progress* progress_;
    };
    class sentinel {
    public:
        sentinel() = default;
        explicit sentinel(inner_sentinel end) : end_(std::move(end)) {}
        friend bool operator==(iterator const& i, sentinel const& end) { return end.reached_by(i); }

    private:
        bool reached_by(iterator const& i) const { return i.inner_ == end_; }
        inner_sentinel end_;
    };

    iterator begin() { return iterator(std::ranges::begin(view_), *progress_); }
    sentinel end() { return sentinel(std::ranges::end(view_)); }
    auto size()
        requires std::ranges::sized_range<View>
    {
        return std::ranges::size(view_);
    }

private:
    static track_options sized(View& v, track_options options) {
        if constexpr (std::ranges::sized_range<View>)
            if (options.total == 0)
                options.total = static_cast<std::size_t>(std::ranges::size(v));
        return options;
    }

    View view_;
    std::unique_ptr<progress> progress_; // moves with the view, and stays where it is
};

template <class T>
async_generator<T> track_stream(async_generator<T> source, std::string label, std::size_t total, std::string unit, int descriptor) {
    progress shown({label, total, unit, descriptor});
    while (auto item = co_await source.next()) {
        co_yield std::move(*item);
        shown.advance(); // it is dealt with when the next one is asked for
    }
}

} // namespace detail

/// `for (auto& file : track(files, {.label = "hashing"}))`: a view of the range, an lvalue's elements or a temporary, and a progress line beside it.
/// `gather(max_concurrency{8}, track(files) | std::views::transform(hash))` too. It is walked through once; an element counts when the next one is asked for.
template <std::ranges::viewable_range Range>
    requires std::ranges::input_range<Range>
auto track(Range&& range, track_options options = {}) {
    return detail::tracked_view<std::views::all_t<Range>>(std::views::all(std::forward<Range>(range)), options);
}

/// The same for a stream: gives what the source gives.
template <class T>
async_generator<T> track(async_generator<T> source, track_options options = {}) {
    return detail::track_stream(std::move(source), std::string(options.label), options.total, std::string(options.unit), options.descriptor);
}

} // namespace aya::inline v1
