// SPDX-License-Identifier: Apache-2.0
// Many clients of a server on this host: crowd PORT COUNT. Each hears one byte, so that the server has it, and sends a part of a message. Says "ready" when
// all have, and keeps the connections until it is killed; the system ends every second one by a reset then.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

constexpr std::size_t at_once = 200; // connected and not accepted yet: less than a server's backlog

[[noreturn]] void fail(char const* what) {
    std::printf("%s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

int connected(sockaddr_in const& to, bool reset) {
    int const s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0)
        fail("socket");
    linger const by_reset{1, 0};
    if (reset && ::setsockopt(s, SOL_SOCKET, SO_LINGER, &by_reset, sizeof by_reset) != 0)
        fail("setsockopt");
    if (::connect(s, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0)
        fail("connect");
    return s;
}

void talk(int s, std::size_t id) {
    char question = 0;
    if (::recv(s, &question, 1, 0) != 1)
        fail("recv");
    std::string const part(1 + id % 999, 'x');
    if (::send(s, part.data(), part.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(part.size()))
        fail("send");
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3)
        return 2;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL); // not longer than the test
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<unsigned short>(std::atoi(argv[1])));
    std::size_t const count = std::strtoul(argv[2], nullptr, 10);
    std::vector<int> all;
    for (std::size_t done = 0; done < count; done = all.size()) {
        while (all.size() < count && all.size() < done + at_once)
            all.push_back(connected(to, all.size() % 2 == 0));
        for (std::size_t i = done; i < all.size(); ++i)
            talk(all[i], i);
    }
    std::puts("ready");
    std::fflush(stdout);
    for (;;)
        ::pause();
}
