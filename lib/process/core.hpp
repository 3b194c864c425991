// SPDX-License-Identifier: Apache-2.0
// The pool: calls that wait, children that run them, and one thread that hears of both.
#pragma once

#include "process/descriptor.hpp"
#include "process/worker.hpp"

#include <aya/detail/process_job.hpp>
#include <aya/process_pool.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace aya::inline v1::detail {

class process_core {
public:
    [[nodiscard]] static std::shared_ptr<process_core> make(process_pool_options options);
    ~process_core() = default;

    /// Takes over a reference; the job ends in any case. Any thread.
    void submit(process_job& job) noexcept;
    /// Nobody waits for the job any more: it goes from the queue, or its child is killed; nothing if it has ended. Any thread.
    void abandon(process_job& job) noexcept;

    /// Must have been called when the object goes.
    void shut_down();
    void end_workers(int signal) noexcept;

    [[nodiscard]] std::vector<pid_t> children();
    [[nodiscard]] std::uint64_t children_started();
    [[nodiscard]] std::size_t max_workers() const noexcept { return max_workers_; }

private:
    explicit process_core(process_pool_options options);

    // On the thread.
    void serve() noexcept;
    void start_children() noexcept;
    void start_child();
    void wait_for_events(int timeout) noexcept;

    // Under the lock. What has ended goes into `done`, to be told of outside it.
    void look_at(process_worker& w, job_list& done) noexcept;
    void take_start(process_worker& w, job_list& done);
    void take_ends(process_worker& w, job_list& done);
    void call_back(process_job& job, job_list& done) noexcept;
    void bury(process_worker& w, bool others_work, job_list& done) noexcept;
    void start_failed(std::string_view why, bool try_again, job_list& done) noexcept;
    void let_go(process_worker& w) noexcept;
    void kill(process_worker& w, char const* complaint = nullptr) noexcept;
    void pump() noexcept;
    void balance() noexcept;
    [[nodiscard]] process_worker* best_for(process_job const& job) noexcept;
    [[nodiscard]] bool takes_calls(process_worker const& w) const noexcept;
    void queue_first(job_list& jobs) noexcept;
    void forget(process_job& job) noexcept;
    void end(process_job& job, std::string_view why, job_list& done) noexcept;
    void end_queued(std::string_view why, job_list& done) noexcept;
    [[nodiscard]] std::size_t children_wanted() const noexcept;
    void wake_server() noexcept;

    static void tell(job_list& done) noexcept;

    process_pool_options const options_;
    std::size_t const max_workers_;
    unique_descriptor epoll_;
    unique_descriptor wake_up_; // eventfd

    std::mutex mutex_;
    job_list queue_;
    std::size_t jobs_ = 0; // in the queue or with a child
    std::vector<std::unique_ptr<process_worker>> workers_;
    std::size_t failed_starts_ = 0; // one after the other
    std::uint64_t started_ = 0;
    std::chrono::steady_clock::time_point next_start_; // not before, after one that failed
    bool closed_ = false;   // takes no more jobs, and ends with the last one
    bool killed_ = false;   // those it has are not run either
    bool stopping_ = false; // there is no job left: children are to go
    bool server_told_ = false;

    std::mutex join_mutex_;
    std::thread server_;
};

} // namespace aya::inline v1::detail
