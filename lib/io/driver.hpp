// SPDX-License-Identifier: Apache-2.0
// The sockets of one runtime: an Asio io_context that workers run where they would sleep. One thread at a time is inside, so the handlers of
// its operations, and the cancellations that are posted to it, run one at a time: it is an implicit strand.
#pragma once

#include "scheduler/io_driver.hpp"

#include <aya/detail/scheduler.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

namespace aya::inline v1::detail {

class runtime_core;
class signal_table;

struct signal_table_deleter {
    void operator()(signal_table* t) const noexcept;
};

/// May outlive its driver, for the sake of I/O objects that do.
class driver_context final : public boost::asio::io_context {
public:
    driver_context() : io_context(1) {} // locks, but optimised for one thread at a time

    /// Drops every operation. What is started from now on never ends.
    void end() noexcept {
        ended_.store(true);
        shutdown();
    }
    [[nodiscard]] bool ended() const noexcept { return ended_.load(); }

private:
    std::atomic<bool> ended_{false};
};

class asio_driver final : public io_driver {
public:
    /// Throws what Asio throws without descriptors; for a host's loop it starts a thread.
    explicit asio_driver(runtime_core& owner);
    ~asio_driver() override;

    /// That of `owner`, made at the first call. Throws std::system_error.
    [[nodiscard]] static asio_driver& of(runtime_core& owner);

    [[nodiscard]] boost::asio::io_context& context() noexcept { return *context_; }
    [[nodiscard]] std::shared_ptr<driver_context> const& shared_context() const noexcept { return context_.shared; }
    [[nodiscard]] runtime_core& owner() noexcept { return owner_; }
    /// In signals.cpp.
    [[nodiscard]] signal_table& signals();

    void poll() noexcept override;
    void wait(time_point deadline) noexcept override;
    void interrupt() noexcept override { context_->stop(); }

private:
    std::size_t wait_for_first(time_point deadline);
    void set_alarm(time_point deadline) noexcept;
    void watch_alarm();
    void poll_more() noexcept;
    void wait_until_stopped() noexcept;
    void report(std::exception_ptr error) noexcept;

    struct ended_with_the_driver {
        ~ended_with_the_driver() { shared->end(); }
        driver_context& operator*() const noexcept { return *shared; }
        driver_context* operator->() const noexcept { return shared.get(); }
        std::shared_ptr<driver_context> shared;
    };

    runtime_core& owner_;
    ended_with_the_driver context_{std::make_shared<driver_context>()};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_->get_executor()};
    boost::asio::posix::stream_descriptor alarm_{*context_}; // epoll counts in milliseconds, a timerfd in nanoseconds
    std::mutex signals_mutex_;
    std::unique_ptr<signal_table, signal_table_deleter> signals_;
    std::thread thread_;                                    // where no loop of ours can wait
};

} // namespace aya::inline v1::detail
