// SPDX-License-Identifier: Apache-2.0
#include "inspect/inspection_socket.hpp"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

using clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

[[noreturn]] void fail(std::string const& what, int error = errno) {
    throw std::system_error(error, std::generic_category(), fmt::format("aya: inspection: {}", what));
}

std::string private_folder() {
    char const* const given = ::secure_getenv("XDG_RUNTIME_DIR");
    std::string const path = given != nullptr && *given == '/' ? fmt::format("{}/aya", given) : fmt::format("/tmp/aya-{}", ::geteuid());
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        fail(path);
    struct stat found {};
    if (::lstat(path.c_str(), &found) != 0)
        fail(path);
    if (!S_ISDIR(found.st_mode) || found.st_uid != ::geteuid() || (found.st_mode & 077) != 0)
        fail(fmt::format("{} is not a folder that belongs to this user alone", path), EACCES);
    return path;
}

bool wait_for(int descriptor, short what, clock::time_point deadline, std::atomic<bool> const& stopping) noexcept {
    constexpr int a_while = 20; // milliseconds: how long the runtime's end waits
    while (!stopping.load() && clock::now() < deadline) {
        struct pollfd p {descriptor, what, 0};
        if (::poll(&p, 1, a_while) == 1)
            return true;
    }
    return false;
}

} // namespace

inspection_socket::inspection_socket() {
    static std::atomic<unsigned> count{0};
    path_ = fmt::format("{}/{}-{}.sock", private_folder(), ::getpid(), count.fetch_add(1));
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path)
        fail(path_, ENAMETOOLONG);
    std::memcpy(address.sun_path, path_.c_str(), path_.size());
    listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listening_ < 0)
        fail("socket");
    ::unlink(path_.c_str()); // of an earlier process of that number
    // The folder keeps others out until the mode is set.
    if (::bind(listening_, reinterpret_cast<struct sockaddr*>(&address), sizeof address) != 0 || ::chmod(path_.c_str(), 0600) != 0 ||
        ::listen(listening_, 8) != 0) {
        int const error = errno;
        ::close(listening_);
        ::unlink(path_.c_str());
        fail(path_, error);
    }
}

inspection_socket::~inspection_socket() {
    ::close(listening_);
    ::unlink(path_.c_str());
}

inspection_socket::caller inspection_socket::accept(std::atomic<bool> const& stopping) noexcept {
    int const descriptor = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor < 0)
        return caller(-1, stopping);
    struct ucred who {};
    socklen_t size = sizeof who;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || who.uid != ::geteuid()) {
        ::close(descriptor);
        return caller(-1, stopping);
    }
    return caller(descriptor, stopping);
}

inspection_socket::caller::~caller() {
    if (descriptor_ >= 0)
        ::close(descriptor_);
}

std::string inspection_socket::caller::read_line() noexcept {
    char line[64];
    std::size_t length = 0;
    auto const deadline = clock::now() + 1s;
    while (length < sizeof line && wait_for(descriptor_, POLLIN, deadline, stopping_)) {
        ssize_t const got = ::read(descriptor_, line + length, 1);
        if (got != 1 || line[length] == '\n')
            break;
        ++length;
    }
    return std::string(line, length); // no more than 64 bytes: it may need memory, but hardly fails
}

void inspection_socket::caller::send(std::string_view text) noexcept {
    auto const deadline = clock::now() + 5s;
    while (!text.empty()) {
        ssize_t const sent = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent > 0)
            text.remove_prefix(static_cast<std::size_t>(sent));
        else if (sent < 0 && errno == EINTR)
            continue;
        else if (sent >= 0 || errno != EAGAIN || !wait_for(descriptor_, POLLOUT, deadline, stopping_))
            return;
    }
}

} // namespace aya::inline v1::detail
