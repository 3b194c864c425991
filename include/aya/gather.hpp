// SPDX-License-Identifier: Apache-2.0
// gather(): runs tasks concurrently and waits for their results.
#pragma once

#include <aya/detail/gather_base.hpp>

#include <cstddef>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace aya::inline v1 {

/// Tag for gather(): exceptions come as values.
struct return_exceptions_t {
    explicit return_exceptions_t() = default;
};
inline constexpr return_exceptions_t return_exceptions{};

namespace detail {

template <class T>
inline constexpr bool owns_result = !is_handle<std::remove_cvref_t<T>>;

template <class T>
void destroy_child(fork_node& node, std::size_t i) noexcept {
    std::destroy_at(static_cast<typed_child<T>*>(static_cast<forked_child*>(node.place(i))));
}

template <bool Outcomes, class... Parts>
class [[nodiscard]] gather_operation final : public gather_base {
    static constexpr bool all_void = !Outcomes && (std::is_void_v<result_of<Parts>> && ...);
    template <class Part>
    using value_of = std::conditional_t<
        Outcomes, outcome<result_of<Part>>,
        std::conditional_t<std::is_void_v<result_of<Part>>, unit, result_of<Part>>>;

public:
    using operation_result = std::conditional_t<all_void, void, std::tuple<value_of<Parts>...>>;

    template <class... Given>
    explicit gather_operation(std::in_place_t, Given&&... parts) : parts_(std::forward<Given>(parts)...) {}
    /// Only before it is awaited.
    gather_operation(gather_operation&& other) noexcept(std::is_nothrow_move_constructible_v<std::tuple<Parts...>>)
        : gather_base(std::move(other)), parts_(std::move(other.parts_)) {}
    ~gather_operation() {
        if (!this->leave(sizeof...(Parts), shape))
            std::destroy_at(&parts_);
    }

    template <task_promise Promise>
    transfer_result await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        if constexpr ((owns_result<Parts> && ...) && sizeof...(Parts) != 0) {
            if (fork_node::is_plain(h.promise().task)) [[likely]] {
                thread_context& here = *this_thread();
                this->forks_ = &fork_node::create(h.promise().task, sizeof...(Parts), shape);
                fork_parts(std::index_sequence_for<Parts...>());
                return transfer(this->forks_->start(here, h));
            }
        }
        return suspend_slowly(h);
    }
    operation_result await_resume() {
        finish();
        if constexpr (!all_void)
            return collect(std::index_sequence_for<Parts...>{});
    }

private:
    template <class Promise>
    [[gnu::noinline]] transfer_result suspend_slowly(std::coroutine_handle<Promise> h) {
        if constexpr ((owns_result<Parts> && ...)) {
            thread_context& here = *this_thread();
            this->forks_ = fork_node::create_slowly(here, h.promise().task, sizeof...(Parts), shape);
            if (this->forks_ != nullptr) {
                fork_parts(std::index_sequence_for<Parts...>());
                return transfer(this->forks_->start_slowly(here, h));
            }
        }
        task_state& waiter = *h.promise().task;
        return schedule_all(waiter, h, sizeof...(Parts), Outcomes, [&] {
            std::apply([&](Parts&... part) { (add(waiter.home(), std::move(part)), ...); }, parts_);
        });
    }
    static void destroy_children(fork_node& node) noexcept {
        std::size_t i = 0;
        ((i < node.size() ? destroy_child<result_of<Parts>>(node, i++) : void()), ...);
    }
    static constexpr fork_shape shape = shape_of<Outcomes, result_of<Parts>...>(&destroy_children);

    template <std::size_t... I>
    [[gnu::always_inline]] void fork_parts(std::index_sequence<I...>) {
        [[maybe_unused]] fork_node& node = *this->forks_;
        if constexpr ((is_task<Parts> && ...)) {
            if ((!std::get<I>(parts_) || ...)) [[unlikely]]
                refuse_empty();
            (fork(node, shape, I, I + 1 == sizeof...(Parts), std::move(std::get<I>(parts_))), ...);
        } else {
            try {
                std::tuple<task<result_of<Parts>>...> tasks{to_task(std::move(std::get<I>(parts_)))...};
                (require_full(std::get<I>(tasks)), ...);
                (fork(node, shape, I, I + 1 == sizeof...(Parts), std::move(std::get<I>(tasks))), ...);
            } catch (...) {
                drop_forks(0);
                throw;
            }
        }
        std::destroy_at(&parts_); // each is in its child
    }

    template <std::size_t... I>
    operation_result collect(std::index_sequence<I...>) {
        return operation_result{collect_one<I, Parts>()...};
    }
    template <std::size_t I, class Part>
    value_of<Part> collect_one() {
        if constexpr (Outcomes)
            return this->template outcome_of<result_of<Part>, owns_result<Part>>(I, shape);
        else
            return this->template value<result_of<Part>, owns_result<Part>>(I, shape);
    }

    union {
        std::tuple<Parts...> parts_; // until they are forked
    };
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
template <class Range>
using part_of = std::remove_cvref_t<decltype(*std::declval<Range&>().begin())>;

/// What a container of results holds for a task<T>.
template <bool Outcomes, class T>
using gathered_element = std::conditional_t<Outcomes, outcome<T>, typename stored_result<T>::type>;

template <bool Outcomes, class Part>
class [[nodiscard]] gather_range_operation final : public gather_base {
    using result = result_of<Part>;
    static constexpr bool is_void = !Outcomes && std::is_void_v<result>;
    using element = gathered_element<Outcomes, result>;

public:
    using operation_result = std::conditional_t<is_void, void, std::vector<element>>;

    template <class Range>
    gather_range_operation(std::in_place_t, Range&& range) : parts_(to_vector(std::forward<Range>(range))) {}
    gather_range_operation(gather_range_operation&&) = default;
    ~gather_range_operation() { this->leave(count_, shape); }

    template <task_promise Promise>
    transfer_result await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        count_ = parts_.size();
        if constexpr (owns_result<Part>) {
            thread_context& here = *this_thread();
            task_pointer const parent = h.promise().task;
            bool const plain = fork_node::is_plain(parent) && count_ != 0 && count_ <= fork_node::most_children;
            this->forks_ = plain ? &fork_node::create(parent, static_cast<std::uint32_t>(count_), shape)
                                 : fork_node::create_slowly(here, parent, count_, shape);
            if (this->forks_ != nullptr) [[likely]] {
                fork_parts();
                return transfer(plain ? this->forks_->start(here, h) : this->forks_->start_slowly(here, h));
            }
        }
        task_state& waiter = *h.promise().task;
        return schedule_all(waiter, h, count_, Outcomes, [&] {
            for (Part& part : parts_)
                add(waiter.home(), std::move(part));
            parts_.clear();
        });
    }
    operation_result await_resume() {
        finish();
        if constexpr (!is_void) {
            operation_result all;
            all.reserve(count_);
            for (std::size_t i = 0; i < count_; ++i) {
                if constexpr (Outcomes)
                    all.push_back(this->template outcome_of<result, owns_result<Part>>(i, shape));
                else
                    all.push_back(this->template value<result, owns_result<Part>>(i, shape));
            }
            return all;
        }
    }

private:
    static void destroy_children(fork_node& node) noexcept {
        for (std::size_t i = 0; i < node.size(); ++i)
            destroy_child<result>(node, i);
    }
    void fork_parts() {
        fork_node& node = *this->forks_;
        std::size_t i = 0;
        try {
            for (Part& part : parts_) {
                task<result> t = to_task(std::move(part));
                require_full(t);
                fork(node, shape, i, i + 1 == count_, std::move(t));
                ++i;
            }
        } catch (...) {
            drop_forks(i);
            throw;
        }
        parts_.clear();
    }
    static constexpr fork_shape shape = shape_of<Outcomes, result>(&destroy_children);

    std::vector<Part> parts_;
    std::size_t count_ = 0;
};

// With no time left, a gather of what runs already is still asked for its results.
template <bool Outcomes, class... Parts>
inline constexpr bool starts_nothing<gather_operation<Outcomes, Parts...>> = (is_handle<Parts> && ...);
template <bool Outcomes, class Part>
inline constexpr bool starts_nothing<gather_range_operation<Outcomes, Part>> = is_handle<Part>;

} // namespace detail

/// Runs tasks concurrently and waits for all: `auto [a, b] = co_await gather(f(), g());`. Results come in argument order, void as
/// `unit`; if all are void there is none. Tasks are scheduled in order, handles name tasks that run already.
/// The first failure ends the wait at once and is thrown; the other tasks run on, and their results are dropped. A task that
/// was cancelled counts as having thrown cancelled_error. Cancellation: every task that is not done is cancelled; the gather
/// then throws cancelled_error, or the first failure. Nothing runs before it is awaited. Mirrors asyncio.gather().
template <joinable... Parts>
auto gather(Parts&&... parts) {
    return detail::gather_operation<false, std::remove_cvref_t<Parts>...>(std::in_place, std::forward<Parts>(parts)...);
}

/// The same, but exceptions are results: gives a tuple of outcome<T>, once all tasks are done.
template <joinable... Parts>
auto gather(return_exceptions_t, Parts&&... parts) {
    return detail::gather_operation<true, std::remove_cvref_t<Parts>...>(std::in_place, std::forward<Parts>(parts)...);
}

/// The same over a container: gives a vector of results, or nothing for tasks of void.
template <detail::joinable_range Range>
auto gather(Range&& range) {
    return detail::gather_range_operation<false, detail::part_of<Range>>(std::in_place, std::forward<Range>(range));
}
template <detail::joinable_range Range>
auto gather(return_exceptions_t, Range&& range) {
    return detail::gather_range_operation<true, detail::part_of<Range>>(std::in_place, std::forward<Range>(range));
}

} // namespace aya::inline v1
