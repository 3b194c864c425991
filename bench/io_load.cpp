// SPDX-License-Identifier: Apache-2.0
// The load generator of the I/O figures, on one thread with epoll: io_load PORT CONNECTIONS BYTES SECONDS [echo|churn|idle].
//   echo: each connection sends a message and waits until it has all of it back, over and over. Prints: requests a second, p50 and p99 in microseconds.
//   churn: the same, with a new connection for each message. Each address of the client's has but 28,000 ports, which rest for a minute: it uses many.
//   idle: sends one message on each connection, says "idle", and keeps them until it reads something or the end.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using clock_type = std::chrono::steady_clock;

struct connection {
    int descriptor = -1;
    std::size_t sent = 0;
    std::size_t received = 0;
    clock_type::time_point began;
};

[[noreturn]] void die(char const* what) {
    std::perror(what);
    std::exit(1);
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 5 && argc != 6)
        return 2;
    std::string_view const mode = argc == 6 ? argv[5] : "echo";
    bool const churn = mode == "churn";
    auto const port = static_cast<unsigned short>(std::atoi(argv[1]));
    std::vector<connection> all(static_cast<std::size_t>(std::atoi(argv[2])));
    std::string const message(static_cast<std::size_t>(std::atoi(argv[3])), 'x');
    auto const length = std::chrono::duration<double>(std::atof(argv[4]));
    std::vector<char> room(256 * 1024);
    int const poll = ::epoll_create1(0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    unsigned opened = 0;
    auto const open = [&](std::size_t i) {
        int const d = ::socket(AF_INET, SOCK_STREAM, 0);
        int const on = 1;
        if (churn) {
            sockaddr_in from{};
            from.sin_family = AF_INET;
            from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + ++opened % 250);
            ::setsockopt(d, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
            if (::bind(d, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0)
                die("bind");
        }
        if (d < 0 || ::connect(d, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
            die("connect");
        ::setsockopt(d, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        all[i].descriptor = d;
        epoll_event e{};
        e.events = EPOLLIN | EPOLLOUT | EPOLLET;
        e.data.u64 = i;
        ::epoll_ctl(poll, EPOLL_CTL_ADD, d, &e);
    };
    for (std::size_t i = 0; i < all.size(); ++i)
        open(i);
    auto const push = [&](connection& c) {
        while (c.sent < message.size()) {
            ssize_t const n = ::send(c.descriptor, message.data() + c.sent, message.size() - c.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (n < 0)
                return;
            c.sent += static_cast<std::size_t>(n);
        }
    };
    if (mode == "idle") {
        for (auto& c : all)
            push(c);
        for (auto& c : all)
            if (::recv(c.descriptor, room.data(), message.size(), MSG_WAITALL) != static_cast<ssize_t>(message.size()))
                die("recv");
        std::puts("idle");
        std::fflush(stdout);
        (void)!::read(0, room.data(), 1);
        return 0;
    }
    std::vector<float> times;
    times.reserve(10'000'000);
    auto const begin = clock_type::now();
    auto const warm = begin + length / 5;
    auto const end = begin + length + length / 5;
    for (auto& c : all) {
        c.began = clock_type::now();
        push(c);
    }
    std::vector<epoll_event> events(1024);
    for (auto now = begin; now < end;) {
        int const n = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
        now = clock_type::now();
        for (int i = 0; i < n; ++i) {
            connection& c = all[events[static_cast<std::size_t>(i)].data.u64];
            push(c);
            for (;;) {
                ssize_t const got = ::recv(c.descriptor, room.data(), room.size(), MSG_DONTWAIT);
                if (got == 0)
                    die("the server closed a connection");
                if (got < 0)
                    break;
                c.received += static_cast<std::size_t>(got);
                if (c.received < message.size())
                    continue;
                now = clock_type::now();
                if (now >= warm)
                    times.push_back(std::chrono::duration<float, std::micro>(now - c.began).count());
                c.received = c.sent = 0;
                c.began = now;
                if (churn) {
                    ::close(c.descriptor);
                    open(events[static_cast<std::size_t>(i)].data.u64);
                }
                push(c);
                break; // its answer is another event
            }
        }
    }
    if (times.empty())
        return 1;
    std::sort(times.begin(), times.end());
    double const seconds = std::chrono::duration<double>(end - warm).count();
    std::printf("%.0f %.1f %.1f\n", static_cast<double>(times.size()) / seconds, static_cast<double>(times[times.size() / 2]),
                static_cast<double>(times[times.size() * 99 / 100]));
}
