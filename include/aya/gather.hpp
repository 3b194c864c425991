// SPDX-License-Identifier: Apache-2.0
// gather(): runs tasks concurrently and waits for their results.
#pragma once

#include <aya/detail/awaitable.hpp>
#include <aya/detail/fan_in.hpp>
#include <aya/outcome.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace aya {

/// Tag for gather(): exceptions come as values.
struct return_exceptions_t {
    explicit return_exceptions_t() = default;
};
inline constexpr return_exceptions_t return_exceptions{};

namespace detail {

struct fan_in_release {
    void operator()(fan_in* f) const noexcept { f->release(); }
};
using fan_in_pointer = std::unique_ptr<fan_in, fan_in_release>;

/// The parts of both gathers that know no types. Destroying it before the end leaves the tasks running.
class gather_base {
public:
    bool await_ready() const noexcept { return false; }

protected:
    explicit gather_base(bool outcomes) noexcept
        : rule_(outcomes ? fan_in_rule::gather_outcomes : fan_in_rule::gather_values) {}
    gather_base(gather_base&&) noexcept = default;
    ~gather_base() = default;

    void start(scheduler& home, std::size_t count) {
        home_ = &home;
        block_ = fan_in_pointer(fan_in::create(count, rule_));
    }
    template <class T>
    void add(T&& joinable_thing) {
        if constexpr (is_handle<std::remove_cvref_t<T>>) {
            block_->watch(handle_access::share(joinable_thing));
        } else {
            auto t = to_task(std::forward<T>(joinable_thing));
            if (!t) [[unlikely]]
                throw_invalid_state("aya::gather: a task is empty or was awaited already");
            block_->watch_new(*make_state(*home_, t, task_state::visibility::child));
        }
    }
    template <class F>
    void add_all(F add_each) {
        try {
            add_each();
        } catch (...) {
            block_->drop_new(*home_);
            throw;
        }
    }
    bool suspend(task_state& waiter, std::coroutine_handle<> h) {
        waiter_ = &waiter;
        return block_->suspend(waiter, h, std::nullopt);
    }
    /// Throws what the gather as a whole throws.
    void finish() {
        if (block_->finish_wait())
            waiter_->throw_cancelled();
        if (task_state* const culprit = block_->culprit())
            std::rethrow_exception(culprit->error());
    }

    /// The result of task `i`: moved when the gather made the task, copied when the caller has handles to it.
    template <class T, bool Own>
    auto value(std::size_t i) {
        auto& state = static_cast<typed_state<T>&>(block_->task(i));
        if constexpr (std::is_void_v<T>) {
            state.take();
            return unit{};
        } else if constexpr (Own || !std::copy_constructible<T>) {
            return state.take();
        } else {
            return T(state.get());
        }
    }
    template <class T, bool Own>
    outcome<T> outcome_of(std::size_t i) {
        task_state const& state = block_->task(i);
        return state.how() == ending::returned ? outcome<T>(value<T, Own>(i)) : outcome<T>(state.error());
    }

private:
    fan_in_rule rule_;
    scheduler* home_ = nullptr;
    task_state* waiter_ = nullptr;
    fan_in_pointer block_;
};

template <class T>
inline constexpr bool owns_result = !is_handle<std::remove_cvref_t<T>>;

template <bool Outcomes, class... Parts>
class [[nodiscard]] gather_operation final : public gather_base {
    static constexpr bool all_void = !Outcomes && (std::is_void_v<result_of<Parts>> && ...);
    template <class Part>
    using value_of = std::conditional_t<
        Outcomes, outcome<result_of<Part>>,
        std::conditional_t<std::is_void_v<result_of<Part>>, unit, result_of<Part>>>;

public:
    using operation_result = std::conditional_t<all_void, void, std::tuple<value_of<Parts>...>>;

    explicit gather_operation(Parts&&... parts) : gather_base(Outcomes), parts_(std::move(parts)...) {}

    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        task_state& waiter = *h.promise().task;
        start(waiter.home(), sizeof...(Parts));
        add_all([&] { std::apply([&](Parts&... part) { (add(std::move(part)), ...); }, parts_); });
        return suspend(waiter, h);
    }
    operation_result await_resume() {
        finish();
        if constexpr (!all_void)
            return collect(std::index_sequence_for<Parts...>{});
    }

private:
    template <std::size_t... I>
    operation_result collect(std::index_sequence<I...>) {
        return operation_result{collect_one<I, Parts>()...};
    }
    template <std::size_t I, class Part>
    auto collect_one() {
        if constexpr (Outcomes)
            return this->template outcome_of<result_of<Part>, owns_result<Part>>(I);
        else
            return this->template value<result_of<Part>, owns_result<Part>>(I);
    }

    std::tuple<Parts...> parts_;
};

template <bool Outcomes, class Part>
class [[nodiscard]] gather_range_operation final : public gather_base {
    using result = result_of<Part>;
    static constexpr bool is_void = !Outcomes && std::is_void_v<result>;
    using element = std::conditional_t<Outcomes, outcome<result>, std::conditional_t<is_void, unit, result>>;

public:
    using operation_result = std::conditional_t<is_void, void, std::vector<element>>;

    explicit gather_range_operation(std::vector<Part>&& parts) : gather_base(Outcomes), parts_(std::move(parts)) {}

    template <task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h) {
        task_state& waiter = *h.promise().task;
        count_ = parts_.size();
        start(waiter.home(), count_);
        add_all([&] {
            for (Part& part : parts_)
                add(std::move(part));
        });
        parts_.clear();
        return suspend(waiter, h);
    }
    operation_result await_resume() {
        finish();
        if constexpr (!is_void) {
            operation_result all;
            all.reserve(count_);
            for (std::size_t i = 0; i < count_; ++i) {
                if constexpr (Outcomes)
                    all.push_back(this->template outcome_of<result, owns_result<Part>>(i));
                else
                    all.push_back(this->template value<result, owns_result<Part>>(i));
            }
            return all;
        }
    }

private:
    std::vector<Part> parts_;
    std::size_t count_ = 0;
};

template <class Range>
concept joinable_range = requires(Range& r) {
    r.begin();
    r.end();
    requires joinable<decltype(*r.begin())>;
};

// Moves the elements of a temporary, copies those of an lvalue.
template <class Range>
auto to_vector(Range&& range) {
    using part = std::remove_cvref_t<decltype(*range.begin())>;
    if constexpr (std::is_same_v<Range, std::vector<part>>) {
        return std::move(range);
    } else {
        std::vector<part> parts;
        for (auto&& p : range) {
            if constexpr (std::is_lvalue_reference_v<Range>)
                parts.push_back(p);
            else
                parts.push_back(std::move(p));
        }
        return parts;
    }
}

} // namespace detail

/// Runs tasks concurrently and waits for all: `auto [a, b] = co_await gather(f(), g());`. Results come in argument order, void as
/// `unit`; if all are void there is none. Tasks are scheduled in order, handles name tasks that run already.
/// The first failure ends the wait at once and is thrown; the other tasks run on, and their results are dropped. A task that
/// was cancelled counts as having thrown cancelled_error. Cancellation: every task that is not done is cancelled; the gather
/// then throws cancelled_error, or the first failure. Nothing runs before it is awaited. Mirrors asyncio.gather().
template <joinable... Parts>
auto gather(Parts... parts) {
    return detail::gather_operation<false, Parts...>(std::move(parts)...);
}

/// The same, but exceptions are results: gives a tuple of outcome<T>, once all tasks are done.
template <joinable... Parts>
auto gather(return_exceptions_t, Parts... parts) {
    return detail::gather_operation<true, Parts...>(std::move(parts)...);
}

/// The same over a container: gives a vector of results, or nothing for tasks of void.
template <detail::joinable_range Range>
auto gather(Range&& range) {
    auto parts = detail::to_vector(std::forward<Range>(range));
    return detail::gather_range_operation<false, typename decltype(parts)::value_type>(std::move(parts));
}
template <detail::joinable_range Range>
auto gather(return_exceptions_t, Range&& range) {
    auto parts = detail::to_vector(std::forward<Range>(range));
    return detail::gather_range_operation<true, typename decltype(parts)::value_type>(std::move(parts));
}

} // namespace aya
