// SPDX-License-Identifier: Apache-2.0
// Peers that are no streams of the library: plain sockets, and a server on a runtime and a thread of its own.
#pragma once

#include <aya/io/address.hpp>
#include <aya/io/server.hpp>
#include <aya/runtime.hpp>
#include <aya/timeout.hpp>

#include "io/streams.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace test {

/// A socket that is closed at the end.
class raw_socket {
public:
    explicit raw_socket(int d) noexcept : descriptor(d) {}
    raw_socket(raw_socket&& other) noexcept : descriptor(std::exchange(other.descriptor, -1)) {}
    raw_socket& operator=(raw_socket&&) = delete;
    ~raw_socket() { close(); }
    void close() noexcept {
        if (descriptor >= 0)
            ::close(std::exchange(descriptor, -1));
    }
    int descriptor;
};

inline raw_socket raw_client(unsigned short port) {
    raw_socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    aya::io::address const at = aya::io::numeric_address("127.0.0.1", port);
    if (::connect(s.descriptor, at.data(), at.size()) != 0)
        s.close();
    return s;
}

/// Accepts nobody by itself.
inline raw_socket raw_listener(unsigned short& port) {
    raw_socket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof a;
    auto* const at = reinterpret_cast<sockaddr*>(&a);
    if (::bind(s.descriptor, at, size) != 0 || ::listen(s.descriptor, 50) != 0 || ::getsockname(s.descriptor, at, &size) != 0)
        s.close();
    port = ntohs(a.sin_port);
    return s;
}

/// A Unix socket whose backlog is full, and the clients that fill it.
class full_listener {
public:
    explicit full_listener(std::string const& path) : listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        std::memcpy(a.sun_path, path.data(), path.size());
        auto const* const at = reinterpret_cast<sockaddr const*>(&a);
        good = ::bind(listener.descriptor, at, sizeof a) == 0 && ::listen(listener.descriptor, 0) == 0;
        while (good) {
            raw_socket c(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
            if (::connect(c.descriptor, at, sizeof a) != 0)
                break;
            clients.push_back(std::move(c));
        }
    }
    /// Makes room for one.
    void accept_one() { accepted.emplace_back(::accept(listener.descriptor, nullptr, nullptr)); }
    raw_socket listener;
    std::vector<raw_socket> clients;
    std::vector<raw_socket> accepted;
    bool good = false;
};

/// Sends to each client for ever, on an event loop of its own.
class flooding_server {
public:
    explicit flooding_server(aya::io::server_options options = {}) : options_(options) {
        while (port.load() == 0)
            std::this_thread::yield();
    }
    ~flooding_server() {
        stop_.set();
        thread_.join();
    }
    flooding_server(flooding_server const&) = delete;
    flooding_server& operator=(flooding_server const&) = delete;
    std::atomic<unsigned short> port{0};

private:
    static aya::task<> flood(aya::io::stream_reader, aya::io::stream_writer writer) {
        std::string const block(256 * 1024, 'x');
        for (;;) {
            writer.write(block);
            co_await writer.drain();
        }
    }
    static aya::task<> serve(flooding_server* self) {
        auto server = co_await aya::io::start_server(flood, "127.0.0.1", 0, self->options_);
        self->port = server.port();
        co_await self->stop_.wait();
        server.close();
        server.abort_clients();
        co_await server.wait_closed();
    }
    void run() {
        aya::runtime_options options;
        options.scheduler = aya::scheduler_kind::event_loop;
        aya::runtime own(options);
        own.block_on(serve(this));
    }

    aya::io::server_options options_;
    aya::event stop_;
    std::thread thread_{&flooding_server::run, this};
};

/// Reads for longer than it may, with work between the reads, so that the peer is always ahead. Whether it was stopped in time.
inline aya::task<bool> slow_reader_is_stopped(aya::io::stream_reader reader) {
    auto read_slowly = [](aya::io::stream_reader r) -> aya::task<> {
        auto const too_long = std::chrono::steady_clock::now() + 10s;
        for (;;) {
            auto const begun = std::chrono::steady_clock::now();
            if (begun > too_long)
                break;
            if ((co_await r.read(64 * 1024)).empty())
                break;
            while (std::chrono::steady_clock::now() < begun + 500us) {
            }
        }
    };
    bool stopped = false;
    try {
        co_await aya::timeout(100ms, read_slowly, reader);
    } catch (aya::timeout_error const&) {
        stopped = true;
    }
    co_return stopped;
}

} // namespace test
