// SPDX-License-Identifier: Apache-2.0
#include "process/descriptor.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <sys/socket.h>

namespace aya::inline v1::detail {

void throw_errno(char const* what) { throw std::system_error(errno, std::generic_category(), what); }

namespace {
using control_buffer = std::array<char, CMSG_SPACE(sizeof(int) * most_descriptors)>;
}

bool send_byte(int socket, std::span<int const> descriptors, bool wait) noexcept {
    char byte = 0;
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    alignas(cmsghdr) control_buffer control{};
    if (!descriptors.empty()) {
        message.msg_control = control.data();
        message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* const header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
    }
    for (;;) {
        if (::sendmsg(socket, &message, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) == 1)
            return true;
        if (errno != EINTR)
            return false;
    }
}

received receive_bytes(int socket, std::vector<unique_descriptor>& into, bool wait) {
    std::array<char, 256> bytes;
    iovec data{bytes.data(), bytes.size()};
    alignas(cmsghdr) control_buffer control;
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    into.reserve(into.size() + most_descriptors); // nothing may throw once the descriptors are here
    ssize_t taken = 0;
    do
        taken = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    while (taken < 0 && errno == EINTR);
    if (taken < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? received::nothing : received::end;
    for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        std::size_t const count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int descriptor = -1;
            std::memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
            into.emplace_back(descriptor);
        }
    }
    if ((message.msg_flags & MSG_CTRUNC) != 0)
        return received::truncated;
    return taken == 0 ? received::end : received::something;
}

} // namespace aya::inline v1::detail
