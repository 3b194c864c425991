// SPDX-License-Identifier: Apache-2.0
// The completion token that makes every Asio operation awaitable in a task: co_await socket.async_read_some(buffer, aya::io::await).
#pragma once

#include <aya/detail/promise.hpp>
#include <aya/io/context.hpp>
#include <aya/io/detail/operation.hpp>
#include <aya/io/detail/operation_name.hpp>
#include <aya/io/detail/outcome.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <coroutine>
#include <exception>
#include <source_location>
#include <tuple>
#include <type_traits>
#include <utility>

namespace aya::inline v1::io {

/// What await(code) is.
struct await_into_t {
    boost::system::error_code* code;
    int descriptor = -1;
    char const* what = nullptr;
};

/// What `await` is.
struct await_t {
    /// Puts the error_code into `code` instead of throwing it. `code` lives until the end of the await. Task trees name `descriptor`,
    /// and call the operation `what`, a literal, if they are given.
    [[nodiscard]] constexpr await_into_t operator()(boost::system::error_code& code, int descriptor = -1, char const* what = nullptr) const noexcept {
        return {&code, descriptor, what};
    }

    /// An executor whose I/O objects take `await` when no token is given.
    template <class Inner>
    struct executor_with_default : Inner {
        using default_completion_token_type = await_t;
        executor_with_default(Inner const& inner) noexcept : Inner(inner) {}
        template <class Other>
            requires(!std::same_as<Other, executor_with_default> && std::convertible_to<Other, Inner>)
        executor_with_default(Other const& other) noexcept : Inner(other) {}
    };
    /// The I/O object type T with that executor: await_t::as_default_on_t<tcp::socket>.
    template <class T>
    using as_default_on_t = typename T::template rebind_executor<executor_with_default<typename T::executor_type>>::other;
};

/// Completion token: the asynchronous operation that takes it returns an awaitable, which starts it when awaited.
///
/// The result is what the handler would get after its error_code: nothing, a value, or a tuple. An error_code becomes a
/// boost::system::system_error; aya::io::await(code) puts it into `code` instead, and boost::asio::as_tuple(aya::io::await) gives it with the
/// values, as a tuple.
///
/// Cancelling the task cancels the operation (terminal, and what Asio counts as partial and total), and the task goes on when the operation has
/// ended: with cancelled_error if that was an abort. An operation that was done before gives its result, and the task is cancelled
/// at its next suspension.
///
/// Objects on any executor may be awaited, in tasks on any worker. Handlers of one operation, and its cancellation, run one at a time: those of the
/// runtime's context() anyway, those of another any_io_executor on a strand that is made for the operation. An object of a static executor type
/// of your own (tcp::socket::rebind_executor<...>) has to have one whose handlers run one at a time. As everywhere in
/// Asio, two tasks must not call functions of one object at the same moment; one that reads while another one writes may do so on
/// a socket that is non_blocking(true).
///
/// Parameters of the operation are copied, as by boost::asio::deferred; what buffers refer to must live until the end.
/// Costs one block of frame memory for the operation, and a few locked instructions.
inline constexpr await_t await{};

namespace detail {

/// An operation with its result.
template <class Outcome>
class operation_with_result : public operation {
public:
    using operation_result = typename Outcome::type;

    explicit operation_with_result(Outcome o) : outcome_(std::move(o)) {}
    operation_with_result(operation_with_result&& unawaited) noexcept
        : operation(std::move(unawaited)), outcome_(std::move(unawaited.outcome_)) {}

    template <class... Given>
    void store(Given&&... given) noexcept {
        try {
            outcome_.store(std::forward<Given>(given)...);
        } catch (...) {
            thrown_ = std::current_exception();
        }
    }

    operation_result await_resume() {
        finish(thrown_ == nullptr && outcome_.aborted());
        if (start_failure_)
            std::rethrow_exception(start_failure_);
        if (thrown_)
            std::rethrow_exception(thrown_);
        if (abandoned())
            throw_abandoned();
        outcome_.throw_failure();
        return Outcome::unpack(*outcome_.values);
    }

protected:
    /// With what the token has given, if it has.
    void describe_as(aya::detail::wait_description& d, char const* name) const noexcept {
        d.what = name;
        if constexpr (requires { outcome_.descriptor; }) {
            d.descriptor = outcome_.descriptor;
            if (outcome_.what != nullptr)
                d.what = outcome_.what;
        }
    }

    std::exception_ptr start_failure_;

private:
    std::exception_ptr thrown_; // by the construction of the result
    Outcome outcome_;
};

/// What Asio gets as handler.
template <class Outcome>
class handler {
public:
    using cancellation_slot_type = cancellation_target::slot;
    using allocator_type = frame_allocator<void>;
    using operation_type = operation_with_result<Outcome>;

    explicit handler(operation_type& o) noexcept : operation_(&o) {}
    handler(handler&& other) noexcept : operation_(std::exchange(other.operation_, nullptr)) {}
    handler& operator=(handler&&) = delete;
    ~handler() {
        if (operation_ != nullptr)
            operation_->abandon();
    }

    [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return operation_->slot(); }
    [[nodiscard]] allocator_type get_allocator() const noexcept { return {}; }
    [[nodiscard]] operation_type& target() const noexcept { return *operation_; }

    template <class... Given>
    void operator()(Given&&... given) noexcept {
        operation_type& o = *std::exchange(operation_, nullptr);
        o.store(std::forward<Given>(given)...);
        o.complete();
    }

private:
    operation_type* operation_;
};

template <class Initiation, class Parameters, class Outcome>
class [[nodiscard]] operation_awaiter final : public operation_with_result<Outcome> {
public:
    template <class... Given>
    explicit operation_awaiter(Outcome o, Initiation&& i, Given&&... parameters)
        : operation_with_result<Outcome>(std::move(o)), initiation_(std::move(i)), parameters_(std::forward<Given>(parameters)...) {}
    operation_awaiter(operation_awaiter&&) = default;

    bool await_ready() const noexcept { return false; }
    template <aya::detail::task_promise Promise>
    bool await_suspend(std::coroutine_handle<Promise> h, std::source_location where = std::source_location::current()) {
        h.promise().where = where;
        if (!this->begin(*h.promise().task, h))
            return false;
        try {
            if constexpr (requires { this->executor_for(initiation_.get_executor()); })
                (void)this->executor_for(initiation_.get_executor());
            std::apply(
                [&](auto&&... parameters) {
                    std::move(initiation_)(handler<Outcome>(*this), std::forward<decltype(parameters)>(parameters)...);
                },
                std::move(parameters_));
        } catch (...) {
            // If somebody has the handler still, the task waits for it; else it has been dropped, and with it the operation has ended.
            this->start_failure_ = std::current_exception();
        }
        return this->started();
    }

private:
    void describe(aya::detail::wait_description& d) const noexcept override {
        this->describe_as(d, operation_name<Initiation>.data());
    }

    Initiation initiation_;
    Parameters parameters_;
};

} // namespace detail

} // namespace aya::inline v1::io

template <class... Arguments>
class boost::asio::async_result<aya::io::await_t, void(Arguments...)> {
public:
    template <class Initiation, class... Parameters>
    static auto initiate(Initiation&& initiation, aya::io::await_t, Parameters&&... parameters) {
        using outcome = aya::io::detail::outcome_of<Arguments...>;
        return aya::io::detail::operation_awaiter<std::decay_t<Initiation>, std::tuple<std::decay_t<Parameters>...>, outcome>(
            outcome(), std::decay_t<Initiation>(std::forward<Initiation>(initiation)), std::forward<Parameters>(parameters)...);
    }
};

template <class... Arguments>
class boost::asio::async_result<aya::io::await_into_t, void(Arguments...)> {
public:
    template <class Initiation, class... Parameters>
    static auto initiate(Initiation&& initiation, aya::io::await_into_t token, Parameters&&... parameters) {
        using outcome = aya::io::detail::outcome_into<Arguments...>;
        return aya::io::detail::operation_awaiter<std::decay_t<Initiation>, std::tuple<std::decay_t<Parameters>...>, outcome>(
            outcome(token.code, token.descriptor, token.what), std::decay_t<Initiation>(std::forward<Initiation>(initiation)), std::forward<Parameters>(parameters)...);
    }
};

template <class Outcome, class Executor>
struct boost::asio::associated_executor<aya::io::detail::handler<Outcome>, Executor> {
    using type = Executor;
    static type get(aya::io::detail::handler<Outcome> const& h, Executor const& candidate = Executor()) noexcept {
        return h.target().executor_for(candidate);
    }
};
