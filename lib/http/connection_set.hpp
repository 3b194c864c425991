// SPDX-License-Identifier: Apache-2.0
// Connections that are served together: curl's multi handle, and the sockets that it waits for.
//
// All calls of curl happen under one lock, on the worker that starts or stops a request, or on one that has heard of a ready socket. Who wants to
// start a request while another one holds the lock leaves it to that one. The sockets, and a timerfd, are in an epoll set of their own, and that
// set's descriptor is what the I/O driver waits for: it becomes ready when any of them is, whoever added them and whenever. Curl's callbacks only
// move bytes and note which tasks have something to hear; these are woken when the lock has been released. No code of a user runs under it.
#pragma once

#include "http/transfer.hpp"

#include <aya/detail/ready.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <curl/curl.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace aya::inline v1::http::detail {

class connection_pool;

class connection_set final : private aya::detail::ready {
public:
    /// Of `pool`, which owns it: at most so many requests at once, and as many connections are kept for the next ones. Number 0 is the one that
    /// a client begins with.
    connection_set(connection_pool& pool, std::size_t seats, std::size_t index);
    ~connection_set();

    /// From now on, sockets are served. With the pool's shared_ptr made.
    void watch();

    /// One of those requests.
    class seat {
    public:
        explicit seat(connection_set& taken) noexcept : set_(&taken) {}
        seat(seat&& other) noexcept : set_(std::exchange(other.set_, nullptr)) {}
        seat& operator=(seat&&) = delete;
        ~seat() { leave(); }

        [[nodiscard]] connection_set& set() const noexcept { return *set_; }
        void leave() noexcept {
            if (set_ != nullptr)
                std::exchange(set_, nullptr)->taken_.fetch_sub(1);
        }

    private:
        connection_set* set_;
    };
    /// False when there is none.
    [[nodiscard]] bool take_seat() noexcept;

    /// Hands a transfer to curl; what fails ends it.
    void start(transfer& t) noexcept;
    /// Takes it away again, if it is not over: its connection is closed. Nothing of it is touched since.
    void stop(transfer& t) noexcept;
    /// Lets it go on where its reader or its giver held it up; with the lock held, inside of change().
    void resume(transfer& t) noexcept;

    /// Calls `look()` with the lock held: it must not throw, nor call anything of a user's.
    template <class F>
    auto look(F look) {
        struct at_the_end {
            ~at_the_end() { set->start_waiting(); }
            connection_set* set;
        } const after{this};
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
        start_waiting();
    }

    // --- for callbacks, with the lock held ---------------------------------------------------------------------------------------------
    [[nodiscard]] time_point loop_time() const noexcept { return now_; }
    /// Whether requests may have to wait for each other's connections.
    [[nodiscard]] bool limits_each_host() const noexcept;
    /// The task of `t` shall look again.
    void note(transfer& t) noexcept;
    void deadline_changed(transfer& t) noexcept;
    /// What is known of a socket of that number is over.
    void forget(int socket) noexcept;
    void connected(int socket) noexcept;

private:
    /// What the epoll set has of a connection's socket.
    struct watched {
        static constexpr std::uint32_t unknown = ~std::uint32_t{0};
        std::uint32_t registered = unknown;
        bool wanted = true;           // by curl
    };

    static void serve(aya::detail::ready& self) noexcept;
    void serve_and_watch() noexcept;
    void serve_sockets() noexcept;
    void start_waiting() noexcept;
    void begin_waiting() noexcept;
    void begin_round() noexcept;
    [[nodiscard]] std::shared_ptr<transfer> end_round() noexcept;
    static void notify(std::shared_ptr<transfer> noted) noexcept;

    void begin(transfer& t) noexcept;
    void collect_finished() noexcept;
    void end_overdue() noexcept;
    void finish(transfer& t, CURLcode result) noexcept;
    void end(transfer& t, CURLcode result) noexcept;
    void arm_timer() noexcept;

    [[nodiscard]] CURL* take_handle();
    void give_back(CURL* handle) noexcept;

    [[nodiscard]] bool set_events(int fd, std::uint32_t events) noexcept;
    [[nodiscard]] bool drop_if_idle(int fd) noexcept;
    static int on_socket(CURL*, curl_socket_t fd, int what, void* self, void* known) noexcept;
    static int on_timer(CURLM*, long milliseconds, void* self) noexcept;
    static int on_close(void* self, curl_socket_t fd) noexcept;

    connection_pool& pool_;
    std::size_t const seats_;
    std::size_t const index_;
    std::atomic<std::size_t> taken_{0};
    std::atomic<transfer*> to_start_{nullptr}; // the last one first
    std::shared_ptr<connection_pool> serving_; // while it is queued to be run

    std::mutex mutex_;
    boost::asio::posix::stream_descriptor set_; // the epoll set
    int timer_ = -1;
    time_point armed_ = time_point::max();    // what the timerfd is set to
    time_point curl_due_ = time_point::max(); // when curl wants to be called
    time_point now_;
    transfer::deadline_list deadlines_;
    std::unordered_map<int, watched> connections_; // by their sockets
    std::shared_ptr<transfer> noted_; // the last one first
    CURLM* multi_ = nullptr;
    std::vector<CURL*> idle_handles_;
};

} // namespace aya::inline v1::http::detail
