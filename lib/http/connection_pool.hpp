// SPDX-License-Identifier: Apache-2.0
// The connections of one client: curl's multi handle, served by the workers of a runtime.
//
// All calls of curl happen under one lock, on the worker that starts or stops a request, or on the one that saw a socket become ready. The sockets,
// and a timerfd, are in an epoll set of the pool's own, and that set's descriptor is what the I/O driver waits for: it becomes ready when
// any of them is, whoever added them and whenever. Curl's callbacks only move bytes and note which tasks have something to hear; these are
// woken when the lock has been released. No code of a user runs under it.
#pragma once

#include "http/transfer.hpp"

#include <aya/http/client_options.hpp>
#include <aya/sync/semaphore.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <curl/curl.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

namespace aya::inline v1::detail {
class runtime_core;
}

namespace aya::inline v1::http::detail {

class connection_pool : public std::enable_shared_from_this<connection_pool> {
public:
    [[nodiscard]] static std::shared_ptr<connection_pool> make(aya::detail::runtime_core& owner, client_options options);
    connection_pool(aya::detail::runtime_core& owner, client_options options);
    ~connection_pool();

    [[nodiscard]] client_options const& options() const noexcept { return options_; }
    [[nodiscard]] aya::detail::runtime_core& owner() noexcept { return owner_; }
    /// One permit for each request under way.
    [[nodiscard]] semaphore& places() noexcept { return places_; }

    /// Hands a transfer to curl. Throws std::bad_alloc, transport_error.
    void start(transfer& t);
    /// Takes it away again, if it is not over: its connection is closed. Nothing of it is touched since.
    void stop(transfer& t) noexcept;
    /// Lets it go on where its reader or its giver held it up; with the lock held, inside of change().
    void resume(transfer& t) noexcept;

    /// Calls `look()` with the lock held: it must not throw, nor call anything of a user's.
    template <class F>
    auto look(F look) {
        std::lock_guard const lock(mutex_);
        return look();
    }
    /// The same for what makes curl do something.
    template <class F>
    void change(F change) noexcept {
        std::shared_ptr<transfer> noted;
        {
            std::lock_guard const lock(mutex_);
            begin_round();
            change();
            noted = end_round();
        }
        notify(std::move(noted));
    }

    // --- for callbacks, with the lock held ---------------------------------------------------------------------------------------------
    [[nodiscard]] time_point loop_time() const noexcept { return now_; }
    /// The task of `t` shall look again.
    void note(transfer& t) noexcept;
    void deadline_changed(transfer& t) noexcept;
    void connected(std::vector<int> const& sockets) noexcept;

    [[nodiscard]] std::size_t active_requests() const noexcept { return active_.load(); }
    [[nodiscard]] std::size_t open_connections() const noexcept { return open_.load(); }

private:
    void watch();
    void serve_sockets() noexcept;
    void begin_round() noexcept;
    [[nodiscard]] std::shared_ptr<transfer> end_round() noexcept;
    static void notify(std::shared_ptr<transfer> noted) noexcept;

    void collect_finished() noexcept;
    void end_overdue() noexcept;
    void finish(transfer& t, CURLcode result) noexcept;
    void arm_timer() noexcept;

    [[nodiscard]] CURL* take_handle();
    void give_back(CURL* handle) noexcept;

    static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void* known) noexcept;
    static int on_timer(CURLM*, long milliseconds, void* self) noexcept;
    static int on_close(void* self, curl_socket_t fd) noexcept;

    aya::detail::runtime_core& owner_;
    client_options const options_;
    semaphore places_;
    std::atomic<std::size_t> active_{0};
    std::atomic<std::size_t> open_{0};

    std::mutex mutex_;
    boost::asio::posix::stream_descriptor set_; // the epoll set
    int timer_ = -1;
    time_point armed_ = time_point::max();    // what the timerfd is set to
    time_point curl_due_ = time_point::max(); // when curl wants to be called
    time_point now_;
    transfer::deadline_list deadlines_;
    std::set<int> connections_; // by their sockets
    std::shared_ptr<transfer> noted_; // the last one first
    header_lines common_lines_;
    CURLM* multi_ = nullptr;
    CURLSH* share_ = nullptr;
    std::vector<CURL*> idle_handles_;
};

} // namespace aya::inline v1::http::detail
