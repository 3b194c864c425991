// SPDX-License-Identifier: Apache-2.0
// batches(): a range a few elements at a time.
#pragma once

#include <aya/errors.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace aya::inline v1 {

/// What batches() gives: an input range of vectors, to be walked once.
template <class Range>
class [[nodiscard]] batched_range {
public:
    using value_type = std::vector<std::remove_cvref_t<decltype(*std::declval<Range&>().begin())>>;

    class iterator {
    public:
        using value_type = batched_range::value_type;
        using difference_type = std::ptrdiff_t;

        explicit iterator(batched_range& of) noexcept : range_(&of) {}
        /// The batch; it may be moved from.
        value_type& operator*() const noexcept { return range_->batch_; }
        iterator& operator++() {
            range_->fill();
            return *this;
        }
        void operator++(int) { ++*this; }
        bool operator==(std::default_sentinel_t) const noexcept { return range_->over_; }

    private:
        batched_range* range_;
    };

    batched_range(Range&& range, std::size_t size) : range_(std::forward<Range>(range)), size_(size) {
        if (size == 0)
            detail::throw_invalid_argument("aya::batches: the size must not be 0");
    }

    iterator begin() {
        at_.emplace(range_.begin());
        fill();
        return iterator(*this);
    }
    [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

private:
    void fill() {
        batch_.clear();
        auto& at = *at_;
        for (; batch_.size() < size_ && at != range_.end(); ++at)
            batch_.push_back(*at);
        over_ = batch_.empty();
    }

    Range range_; // a reference, if it was given as one
    std::size_t size_;
    std::optional<decltype(std::declval<Range&>().begin())> at_; // from begin() on
    value_type batch_;
    bool over_ = false;
};

/// A range `size` elements at a time, the last time fewer, each batch a vector that is made when its turn has come:
/// `for (auto& ids : batches(all, 100)) co_await gather(ids | std::views::transform(fetch));`. A temporary is moved in, a named range is referred to.
/// Where batches need not wait for each other, gather(max_concurrency{n}, range) keeps n tasks under way all the time. Throws
/// std::invalid_argument for a size of 0. Mirrors itertools.batched().
template <class Range>
    requires requires(Range& r) { *r.begin(); r.begin() != r.end(); }
auto batches(Range&& range, std::size_t size) {
    return batched_range<Range>(std::forward<Range>(range), size);
}

} // namespace aya::inline v1
