// SPDX-License-Identifier: Apache-2.0
// as_completed(): tasks in the order of their ends; and max_concurrency, for more work than should be under way at once.
#pragma once

#include <aya/detail/completion_stream.hpp>
#include <aya/gather.hpp>
#include <aya/sleep.hpp>
#include <aya/wait.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace aya::inline v1 {

/// Tag for gather() and as_completed(): at most `limit` tasks of a range are under way at once.
struct max_concurrency {
    explicit max_concurrency(std::size_t n) : limit(n) {
        if (n == 0)
            detail::throw_invalid_argument("aya::max_concurrency: the limit must not be 0");
    }
    std::size_t limit;
};

namespace detail {

template <class T>
class [[nodiscard]] next_completed_awaiter final : public completion_stream::next_awaiter {
public:
    using operation_result = task_handle<T>;
    using next_awaiter::next_awaiter;
    task_handle<T> await_resume() {
        completion_stream::item const got = finish();
        return got.task ? handle_access::share_as<task_handle<T>>(*got.task) : task_handle<T>();
    }
};

} // namespace detail

/// What as_completed() gives.
template <class T>
class [[nodiscard]] completed_tasks {
public:
    /// `while (auto h = co_await c.next())` gives each task once, as it ends; then empty handles. The same handle that was given to
    /// as_completed(), done: ask it for its result. Throws timeout_error for each task that has not ended in time. May be broken off and
    /// taken up again; several tasks may wait at once, and get them in the order of waiting. A cancelled wait loses none.
    auto next() {
        if (stream_ == nullptr) [[unlikely]]
            detail::throw_invalid_state("aya::as_completed: asked for the next task after it was moved from");
        return detail::next_completed_awaiter<T>(*stream_);
    }

private:
    template <detail::joinable_range Range>
    friend auto as_completed(Range&& range, std::optional<duration> timeout);

    completed_tasks(detail::scheduler& home, std::vector<task_handle<T>> const& tasks, std::optional<duration> timeout) {
        std::vector<detail::task_state const*> states;
        states.reserve(tasks.size());
        for (auto const& t : tasks) {
            detail::handle_access::require_within(home, t, "aya::as_completed");
            states.push_back(detail::handle_access::checked(t));
        }
        std::vector<std::size_t> const distinct = detail::first_occurrences(states);
        stream_.reset(detail::completion_stream::create());
        stream_->grow(distinct.size());
        if (timeout)
            stream_->arm(home, detail::deadline_after(*timeout));
        for (std::size_t place = 0; place < distinct.size(); ++place)
            stream_->watch(place, detail::handle_access::share(tasks[distinct[place]]));
    }

    detail::stream_pointer stream_;
};

/// Gives tasks in the order of their ends: see completed_tasks::next(). Of a range of handles, or of tasks, which are scheduled now.
/// Equal handles count once. Dropping the result leaves the tasks alone, as a timeout does; it must not outlive the runtime. Throws
/// invalid_state_error outside a runtime. Mirrors asyncio.as_completed().
template <detail::joinable_range Range>
auto as_completed(Range&& range, std::optional<duration> timeout = std::nullopt) {
    using part = std::remove_cvref_t<decltype(*range.begin())>;
    using detail::to_handle;
    detail::scheduler& home = detail::this_scheduler("aya::as_completed");
    std::vector<task_handle<result_of<part>>> handles;
    for (part& p : detail::to_vector(std::forward<Range>(range)))
        handles.push_back(to_handle(home, std::move(p)));
    return completed_tasks<result_of<part>>(home, handles, timeout);
}

namespace detail {

/// A range that makes its tasks while it is walked, and a bounded number of them under way.
template <class Range>
class bounded_source {
public:
    using part = std::remove_cvref_t<decltype(*std::declval<Range&>().begin())>;
    using result = result_of<part>;

    bounded_source(scheduler& home, std::size_t limit, Range&& range)
        : home_(&home), limit_(limit), range_(std::make_shared<Range>(std::move(range))), at_(range_->begin()),
          stream_(completion_stream::create()) {
        if constexpr (!is_handle<part>)
            stream_->keep(range_); // tasks that are left running may be coroutines of a lambda in there
    }
    bounded_source(bounded_source const&) = delete;
    bounded_source& operator=(bounded_source const&) = delete;

    /// Starts tasks until the limit is reached. `starting(place)` is called before each.
    template <class F>
    void fill(F starting) {
        while (at_ != range_->end() && have_place()) {
            std::size_t const place = free_.back();
            starting(place);
            task_handle<result> const h = to_handle(*home_, part(static_cast<part&&>(*at_)));
            handle_access::require_within(*home_, h, "aya::max_concurrency");
            free_.pop_back();
            stream_->watch(place, handle_access::share(h));
            ++at_;
        }
    }
    void give_back(std::size_t place) noexcept { free_.push_back(place); }
    [[nodiscard]] completion_stream& stream() noexcept { return *stream_; }

private:
    // The places grow with the tasks: a limit may be larger than what memory there is.
    bool have_place() {
        std::size_t const places = stream_->places();
        if (!free_.empty() || places == limit_)
            return !free_.empty();
        std::size_t const more = std::min(std::max(places, std::size_t{8}), limit_ - places);
        free_.reserve(places + more);
        stream_->grow(more);
        for (std::size_t place = places + more; place != places; --place)
            free_.push_back(place - 1);
        return true;
    }

    scheduler* home_;
    std::size_t limit_;
    std::shared_ptr<Range> range_;
    decltype(std::declval<Range&>().begin()) at_;
    stream_pointer stream_;
    std::vector<std::size_t> free_;
};

template <bool Outcomes, class T>
using gathered = std::conditional_t<!Outcomes && std::is_void_v<T>, void, std::vector<gathered_element<Outcomes, T>>>;

template <bool Own, class T>
gathered_element<false, T> take_element(task_state& s) {
    auto& state = static_cast<typed_state<T>&>(s);
    if constexpr (std::is_void_v<T>) {
        state.take();
        return unit{};
    } else if constexpr (Own || !std::copy_constructible<T>) {
        return T(state.take());
    } else {
        return T(state.get());
    }
}

template <bool Outcomes, class Range, class T = typename bounded_source<Range>::result>
task<gathered<Outcomes, T>> gather_bounded(std::size_t limit, Range range) {
    constexpr bool own = !is_handle<typename bounded_source<Range>::part>;
    bounded_source<Range> source(this_scheduler("aya::gather"), limit, std::move(range));
    struct leaving {
        explicit leaving(completion_stream& s) noexcept : stream(s) {}
        leaving(leaving const&) = delete;
        leaving& operator=(leaving const&) = delete;
        ~leaving() { stream.answer_for_all(); } // those that are left run on, and nobody will ask
        completion_stream& stream;
    } const at_the_end(source.stream());
    std::vector<std::size_t> index_of; // of the task in each place
    std::vector<std::optional<gathered_element<Outcomes, T>>> results;
    std::size_t count = 0;
    std::exception_ptr cancellation;
    for (;;) {
        if (!cancellation)
            source.fill([&](std::size_t place) {
                if constexpr (Outcomes || !std::is_void_v<T>)
                    results.emplace_back();
                if (place >= index_of.size())
                    index_of.resize(place + 1);
                index_of[place] = count++;
            });
        completion_stream::item ended;
        bool cancelled = false;
        try {
            ended = co_await completion_stream::next_awaiter(source.stream());
        } catch (cancelled_error const&) {
            cancelled = true;
            if (!cancellation)
                cancellation = std::current_exception();
        }
        if (cancelled) {
            source.stream().cancel_all(); // and wait for them, as they may not obey
            continue;
        }
        if (!ended.task)
            break;
        task_state& state = *ended.task;
        state.mark_retrieved();
        if constexpr (Outcomes) {
            results[index_of[ended.place]] = state.how() == ending::returned
                                                 ? outcome<T>(take_element<own, T>(state))
                                                 : outcome<T>::from_exception(state.error());
        } else {
            if (state.how() != ending::returned)
                std::rethrow_exception(cancellation && state.how() == ending::cancelled ? cancellation : state.error());
            if constexpr (!std::is_void_v<T>)
                results[index_of[ended.place]].emplace(take_element<own, T>(state));
        }
        source.give_back(ended.place);
    }
    if (cancellation)
        std::rethrow_exception(cancellation);
    if constexpr (Outcomes || !std::is_void_v<T>) {
        gathered<Outcomes, T> all;
        all.reserve(results.size());
        for (auto& r : results)
            all.push_back(std::move(*r));
        co_return all;
    }
}

} // namespace detail

/// What as_completed(max_concurrency, range) gives.
template <class Range>
class [[nodiscard]] bounded_completed_tasks {
    using result = typename detail::bounded_source<Range>::result;

public:
    /// Starts tasks up to the limit, and gives the next one that ends; an empty handle when none is left. At most `limit` tasks are started
    /// and not given out. One task at a time may wait. A cancelled wait loses none.
    task<task_handle<result>> next() {
        source_.fill([](std::size_t) {});
        detail::completion_stream::item const ended =
            co_await detail::completion_stream::next_awaiter(source_.stream());
        if (!ended.task)
            co_return task_handle<result>();
        source_.give_back(ended.place);
        co_return detail::handle_access::share_as<task_handle<result>>(*ended.task);
    }

    bounded_completed_tasks(detail::scheduler& home, std::size_t limit, Range&& range)
        : source_(home, limit, std::move(range)) {}

private:
    detail::bounded_source<Range> source_;
};

/// as_completed() over more tasks than should be alive at once: `auto c = as_completed(max_concurrency{8}, ids | std::views::transform(fetch));`
/// The range is walked as places become free, so a view makes each task when its turn has come. Containers are moved in, and live until the last
/// of their tasks has ended, so tasks may be coroutines of a lambda that the view has captured.
template <detail::joinable_range Range>
    requires(!std::is_lvalue_reference_v<Range> || std::copy_constructible<std::remove_cvref_t<Range>>)
auto as_completed(max_concurrency most, Range&& range) {
    using stored = std::remove_cvref_t<Range>;
    return bounded_completed_tasks<stored>(detail::this_scheduler("aya::as_completed"), most.limit,
                                           stored(std::forward<Range>(range)));
}

/// gather() over a range, with at most `most.limit` tasks under way: the rules are gather()'s. The range is walked as tasks end, so a view
/// makes each task when its turn has come; after the first failure, or a cancellation, no more are made. Cost: as create_task() for
/// each, and a wake-up of the waiting task.
template <detail::joinable_range Range>
    requires(!std::is_lvalue_reference_v<Range> || std::copy_constructible<std::remove_cvref_t<Range>>)
auto gather(max_concurrency most, Range&& range) {
    using stored = std::remove_cvref_t<Range>;
    return detail::gather_bounded<false, stored>(most.limit, stored(std::forward<Range>(range)));
}
template <detail::joinable_range Range>
    requires(!std::is_lvalue_reference_v<Range> || std::copy_constructible<std::remove_cvref_t<Range>>)
auto gather(return_exceptions_t, max_concurrency most, Range&& range) {
    using stored = std::remove_cvref_t<Range>;
    return detail::gather_bounded<true, stored>(most.limit, stored(std::forward<Range>(range)));
}

} // namespace aya::inline v1
