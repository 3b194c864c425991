// SPDX-License-Identifier: Apache-2.0
// map_in_executor(): a function over a range, on an executor, with the results in order.
#pragma once

#include <aya/async_generator.hpp>
#include <aya/detail/awaitable.hpp>
#include <aya/executor.hpp>
#include <aya/to_thread.hpp>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

namespace aya::inline v1 {

struct map_options {
    /// How many elements one call on the executor handles: more than one when the function is short.
    std::size_t chunk = 1;
    /// How many chunks may be under way, or done and not asked for yet. 0: two for each usable CPU.
    std::size_t in_flight = 0;
};

namespace detail {

template <class Range>
using element_of = std::iter_value_t<decltype(std::begin(std::declval<Range&>()))>; // no proxy: it would point into the range

/// Throws std::invalid_argument for a chunk of no elements; fills in what is 0 by default.
[[nodiscard]] map_options checked(map_options options);

template <class F, class T>
std::vector<std::invoke_result_t<F&, T>> map_chunk(F f, std::vector<T> elements) {
    std::vector<std::invoke_result_t<F&, T>> results;
    results.reserve(elements.size());
    for (auto&& e : elements) // a T&, or a proxy in std::vector<bool>
        results.push_back(f(static_cast<T&&>(e)));
    return results;
}

/// A generator that is dropped early asks what is under way to stop.
template <class Handle>
struct under_way : std::vector<Handle> {
    under_way() = default;
    ~under_way() {
        for (Handle const& h : *this)
            h.cancel();
    }
};

} // namespace detail

/// Gives `f(element)` for each element of `range`, in order, computed on `e`, a few chunks ahead of who asks:
///
///     auto digests = map_in_executor(pool, files, digest, {.chunk = 16});
///     while (auto d = co_await digests.next())
///         use(*d);
///
/// Elements are taken from the range as they are needed, so that it may be endless. Each chunk calls a copy of `f`. The first exception, in the order of
/// the range, is thrown by next() and ends it; what is under way then, or when the generator is dropped, is cancelled. Mirrors Executor.map().
template <class Range, class F>
    requires std::copy_constructible<F> && std::invocable<F&, detail::element_of<Range>> &&
             (!std::is_void_v<std::invoke_result_t<F&, detail::element_of<Range>>>)
async_generator<std::invoke_result_t<F&, detail::element_of<Range>>> map_in_executor(any_executor e, Range range, F f,
                                                                                     map_options options = {}) {
    using element = detail::element_of<Range>;
    using results = std::vector<std::invoke_result_t<F&, element>>;
    options = detail::checked(options);
    detail::under_way<task_handle<results>> chunks;
    auto next = std::begin(range);
    auto const end = std::end(range);
    for (;;) {
        while (chunks.size() < options.in_flight && next != end) {
            std::vector<element> elements;
            for (; elements.size() < options.chunk && next != end; ++next)
                elements.push_back(*next);
            chunks.push_back(create_task(run_in_executor(e, detail::map_chunk<F, element>, f, std::move(elements))));
        }
        if (chunks.empty())
            co_return;
        task_handle<results> first = std::move(chunks.front());
        chunks.erase(chunks.begin());
        results done = co_await std::move(first);
        for (auto& result : done)
            co_yield std::move(result);
    }
}

} // namespace aya::inline v1
