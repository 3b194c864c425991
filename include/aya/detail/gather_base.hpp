// SPDX-License-Identifier: Apache-2.0
// The two ways a gather runs: forked, or as tasks of their own; and how its results are found again.
#pragma once

#include <aya/detail/awaitable.hpp>
#include <aya/detail/fan_in.hpp>
#include <aya/detail/fork.hpp>
#include <aya/detail/single_use.hpp>
#include <aya/outcome.hpp>

#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace aya::inline v1::detail {

struct fan_in_release {
    void operator()(fan_in* f) const noexcept { f->release(); }
};
using fan_in_pointer = std::unique_ptr<fan_in, fan_in_release>;

template <bool Outcomes, class... Results>
constexpr fork_shape shape_of(void (*destroy)(fork_node&) noexcept) noexcept {
    std::size_t stride = 0;
    ((stride = sizeof(typed_child<Results>) > stride ? sizeof(typed_child<Results>) : stride), ...);
    return {destroy, static_cast<std::uint32_t>(stride), Outcomes,
            (std::is_trivially_destructible_v<std::conditional_t<std::is_void_v<Results>, unit, Results>> && ...)};
}

/// The parts of both gathers that know no types. Tasks alone are forked where that is possible; with handles among them, and on an event
/// loop, each is scheduled like any other task. Destroying it before the end leaves the tasks running.
class gather_base {
public:
    bool await_ready() {
        if (!use_.spend()) [[unlikely]]
            refuse_await();
        return false;
    }

protected:
    gather_base() = default;
    gather_base(gather_base&& unawaited) noexcept
        : forks_(std::exchange(unawaited.forks_, nullptr)), block_(std::exchange(unawaited.block_, nullptr)), use_(std::move(unawaited.use_)) {}
    ~gather_base() = default; // with leave()

    /// Before its end. True when it was forked.
    bool leave(std::size_t count, fork_shape const& shape) noexcept {
        if (forks_ != nullptr) [[likely]] {
            forks_->leave(count, shape);
            return true;
        }
        if (block_ != nullptr)
            block_->release();
        return false;
    }
    /// Makes `t` the node's child number `i`; they come in order. Cannot fail.
    template <class T>
    [[gnu::always_inline]] static void fork(fork_node& node, fork_shape const& shape, std::size_t i, bool last, task<T>&& t) noexcept {
        auto* const following = last ? nullptr : static_cast<forked_child*>(node.place(i + 1, shape));
        auto* const child = new (node.place(i, shape)) typed_child<T>(node, following, task_access::frame(t));
        task_access::frame(t).promise().task = *child;
        task_access::release(t);
    }
    /// So many children are there.
    void drop_forks(std::size_t children) noexcept { std::exchange(forks_, nullptr)->drop(children); }
    [[noreturn]] void refuse_empty() {
        drop_forks(0);
        throw_invalid_state("aya::gather: a task is empty or was awaited already");
    }
    [[noreturn]] static void refuse_await() { throw_invalid_state("aya::gather: awaited after it was moved from or awaited already"); }
    template <class T>
    static void require_full(task<T> const& t) {
        if (!t) [[unlikely]]
            throw_invalid_state("aya::gather: a task is empty or was awaited already");
    }
    fork_node* forks_ = nullptr;

    template <class Add>
    transfer_result schedule_all(task_state& waiter, std::coroutine_handle<> h, std::size_t count, bool outcomes, Add add_each) {
        block_ = fan_in::create(count, outcomes ? fan_in_rule::gather_outcomes : fan_in_rule::gather_values);
        try {
            add_each();
        } catch (...) {
            block_->drop_new(waiter.home());
            throw;
        }
        bool const suspended = block_->suspend(waiter, h, std::nullopt);
        return suspended ? transfer_nowhere() : transfer(h);
    }
    template <class T>
    void add(scheduler& home, T&& joinable_thing) {
        if constexpr (is_handle<std::remove_cvref_t<T>>) {
            handle_access::require_within(home, joinable_thing, "aya::gather");
            block_->watch(handle_access::share(joinable_thing));
        } else {
            auto t = to_task(std::forward<T>(joinable_thing));
            require_full(t);
            block_->watch_new(*make_state(home, t, task_state::visibility::child));
        }
    }
    /// Throws what the gather as a whole throws.
    void finish() {
        if (forks_)
            forks_->finish_wait();
        else
            block_->finish_wait();
    }

    /// The result of part `i`: moved when the gather made the task, copied when the caller has handles to it.
    template <class T, bool Own>
    std::conditional_t<std::is_void_v<T>, unit, T> value(std::size_t i, fork_shape const& shape) {
        if constexpr (std::is_void_v<T>) {
            return unit{};
        } else {
            if constexpr (Own)
                if (forks_) [[likely]]
                    return static_cast<typed_child<T>&>(forked(i, shape)).value.take();
            auto& state = static_cast<typed_state<T>&>(block_->task(i));
            if constexpr (Own || !std::copy_constructible<T>)
                return state.take();
            else
                return T(state.get());
        }
    }
    template <class T, bool Own>
    outcome<T> outcome_of(std::size_t i, fork_shape const& shape) {
        std::exception_ptr error;
        if (forks_)
            error = forked(i, shape).error;
        else if (block_->task(i).how() != ending::returned)
            error = block_->task(i).error();
        return error ? outcome<T>::from_exception(std::move(error)) : outcome<T>(value<T, Own>(i, shape));
    }

private:
    forked_child& forked(std::size_t i, fork_shape const& shape) noexcept { return *static_cast<forked_child*>(forks_->place(i, shape)); }

    fan_in* block_ = nullptr;
    single_use use_;
};

} // namespace aya::inline v1::detail
