// SPDX-License-Identifier: Apache-2.0
// executor: whatever runs a function once. any_executor holds one of any type.
#pragma once

#include <aya/detail/executor_base.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace aya::inline v1 {

class executor_reference;

namespace detail {
struct executor_access;
}

/// A piece of work that an executor is given: it must be called once, on any thread. Dropped uncalled, it is refused: the call that it stands
/// for throws broken_executor, the task whose step it is is cancelled. Nothing is lost. An executor that wants copyable functions wraps it in a
/// std::shared_ptr.
class work {
public:
    work(work&& other) noexcept : item_(std::exchange(other.item_, nullptr)) {}
    work& operator=(work&& other) noexcept {
        work moved(std::move(other));
        std::swap(item_, moved.item_);
        return *this;
    }
    ~work() {
        if (item_ != nullptr)
            detail::refuse(*item_, "the executor dropped it");
    }

    /// Runs it; a second call does nothing. Never throws.
    void operator()() noexcept {
        if (detail::ready* const item = std::exchange(item_, nullptr))
            detail::run_at_once(*item);
    }

private:
    friend class any_executor;
    explicit work(detail::ready& item) noexcept : item_(&item) {}

    detail::ready* item_;
};

/// What create_task(), run_in_executor() and resume_on() accept: a copyable type with `void execute(aya::work)`, callable from any thread. Copies name
/// the same executor. If execute() throws, the work counts as refused. It may call the work before it returns, as inline_executor does.
template <class E>
concept executor = std::copy_constructible<E> && requires(E& e, work w) { e.execute(std::move(w)); };

/// Runs what it is given at once, on the thread that gives it. The steps of a task are left to its runtime: whoever wakes it may stand in the middle of
/// something.
class inline_executor {
public:
    void execute(work w) const noexcept { w(); }
    friend bool operator==(inline_executor, inline_executor) noexcept { return true; }
};

/// An executor of any type. A copy names the same executor. It does not keep a runtime alive, nor a pool's threads: those must outlive the tasks
/// that they run. What a pool is given after its end is refused. Thread safety: as a std::shared_ptr.
class any_executor {
public:
    /// Holds a copy of `e`.
    template <class E>
        requires(!std::derived_from<E, any_executor> && !std::same_as<E, inline_executor> && !std::same_as<E, executor_reference>) &&
                executor<E>
    any_executor(E e) : base_(std::make_shared<model<E>>(std::move(e))) {}

    any_executor(inline_executor) noexcept;

    /// Gives it a piece of work.
    void execute(work w) const noexcept { base_->submit(*std::exchange(w.item_, nullptr)); }

    friend bool operator==(any_executor const& a, any_executor const& b) noexcept { return a.base_ == b.base_; }

private:
    friend struct detail::executor_access;

    template <class E>
    class model final : public detail::executor_base {
    public:
        explicit model(E e) : executor_(std::move(e)) {}
        void submit(detail::ready& r) noexcept override {
            try {
                executor_.execute(work(r));
            } catch (...) {
                // The work was dropped on the way, and so refused.
            }
        }

    private:
        E executor_;
    };

    explicit any_executor(std::shared_ptr<detail::executor_base> base) noexcept : base_(std::move(base)) {}

    std::shared_ptr<detail::executor_base> base_;
};

/// The executor of the running task: its runtime's own, unless it was created on another one or has moved. Throws invalid_state_error outside a
/// runtime.
[[nodiscard]] any_executor this_executor();

namespace detail {

struct executor_access {
    static std::shared_ptr<executor_base> const& base(any_executor const& e) noexcept { return e.base_; }
    static any_executor make(std::shared_ptr<executor_base> base) noexcept { return any_executor(std::move(base)); }
    /// For an executor that lives elsewhere, and outlives its handles.
    static any_executor refer_to(executor_base& base) noexcept {
        return any_executor(std::shared_ptr<executor_base>(std::shared_ptr<void>(), &base));
    }
};

} // namespace detail

} // namespace aya::inline v1
