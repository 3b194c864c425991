// SPDX-License-Identifier: Apache-2.0
#include "io/address.hpp"

#include <aya/to_thread.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace aya::inline v1::io {

namespace {

class resolver_errors final : public std::error_category {
public:
    char const* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int code) const override { return ::gai_strerror(code); }
};

// 0 or an error of getaddrinfo(3).
int look_up(std::string const& host, std::string const& service, int family, int flags, std::vector<address>& found) {
    addrinfo hints{};
    hints.ai_family = family;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    addrinfo* list = nullptr;
    int const error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &list);
    if (error == EAI_SYSTEM)
        throw std::system_error(errno, std::generic_category(), "aya::io::getaddrinfo: " + host);
    if (error != 0)
        return error;
    std::unique_ptr<addrinfo, void (*)(addrinfo*)> const owner(list, &::freeaddrinfo);
    for (addrinfo const* i = list; i != nullptr; i = i->ai_next)
        found.emplace_back(i->ai_addr, i->ai_addrlen);
    return 0;
}

[[noreturn]] void throw_resolver_error(int error, std::string const& host) {
    throw std::system_error(error, resolver_category(), "aya::io::getaddrinfo: " + host);
}

std::vector<address> look_up_or_throw(std::string host, std::string service, int family, int flags) {
    std::vector<address> found;
    if (int const error = look_up(host, service, family, flags, found); error != 0)
        throw_resolver_error(error, host);
    return found;
}

} // namespace

std::error_category const& resolver_category() noexcept {
    static resolver_errors const category;
    return category;
}

address::address(sockaddr const* a, socklen_t size) noexcept : size_(std::min<socklen_t>(size, sizeof storage_)) {
    std::memcpy(&storage_, a, size_);
}

std::string address::text() const {
    char text[INET6_ADDRSTRLEN];
    switch (family()) {
    case AF_INET:
        ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in const&>(storage_).sin_addr, text, sizeof text);
        return fmt::format("{}:{}", text, port());
    case AF_INET6:
        ::inet_ntop(AF_INET6, &reinterpret_cast<sockaddr_in6 const&>(storage_).sin6_addr, text, sizeof text);
        return fmt::format("[{}]:{}", text, port());
    case AF_UNIX: {
        auto const& path = reinterpret_cast<sockaddr_un const&>(storage_).sun_path;
        constexpr std::size_t before = offsetof(sockaddr_un, sun_path);
        return size_ <= before ? std::string() : std::string(path, ::strnlen(path, size_ - before));
    }
    default:
        return {};
    }
}

unsigned short address::port() const noexcept {
    if (family() == AF_INET)
        return ntohs(reinterpret_cast<sockaddr_in const&>(storage_).sin_port);
    if (family() == AF_INET6)
        return ntohs(reinterpret_cast<sockaddr_in6 const&>(storage_).sin6_port);
    return 0;
}

address numeric_address(std::string const& host, unsigned short port) {
    return look_up_or_throw(host, std::to_string(port), AF_UNSPEC, AI_NUMERICHOST | AI_NUMERICSERV).front();
}

task<std::vector<address>> getaddrinfo(std::string host, std::string service, int family, bool passive) {
    int const flags = passive ? AI_PASSIVE : 0;
    std::vector<address> found;
    // Numbers need no look-up, so they do not wait for a thread.
    bool const numeric_service = !service.empty() && service.find_first_not_of("0123456789") == service.npos;
    if (numeric_service && (service.size() > 5 || std::stoi(service) > 65535)) // the system takes it modulo 65536
        throw std::invalid_argument("aya::io::getaddrinfo: service: " + service + " is no port; they go up to 65535");
    if (numeric_service && look_up(host, service, family, flags | AI_NUMERICHOST | AI_NUMERICSERV, found) == 0)
        co_return found;
    found = co_await to_thread(look_up_or_throw, std::move(host), std::move(service), family, flags);
    co_return found;
}

namespace detail {

address address_of(int descriptor, bool peer) noexcept {
    sockaddr_storage a{};
    socklen_t size = sizeof a;
    auto* const bytes = reinterpret_cast<sockaddr*>(&a);
    if ((peer ? ::getpeername(descriptor, bytes, &size) : ::getsockname(descriptor, bytes, &size)) != 0)
        return {};
    return {bytes, size};
}

address unix_address(std::string const& path) {
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof a.sun_path)
        throw std::invalid_argument("aya::io: path: a Unix socket's has 1 to " + std::to_string(sizeof a.sun_path - 1) + " bytes");
    std::memcpy(a.sun_path, path.data(), path.size());
    // A path ends with a null byte; an abstract name, which begins with one, is all that is counted.
    std::size_t const size = offsetof(sockaddr_un, sun_path) + path.size() + (path.front() == '\0' ? 0 : 1);
    return {reinterpret_cast<sockaddr const*>(&a), static_cast<socklen_t>(size)};
}

} // namespace detail

} // namespace aya::inline v1::io
