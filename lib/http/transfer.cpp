// SPDX-License-Identifier: Apache-2.0
#include "http/transfer.hpp"

#include "http/connection_set.hpp"
#include "http/last_received.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>

namespace aya::inline v1::http::detail {

namespace {

// So much of a streamed response is kept for a slow reader.
constexpr std::size_t high_water = 256 * 1024;

std::string_view trimmed(std::string_view s) noexcept {
    auto const blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!s.empty() && blank(s.front()))
        s.remove_prefix(1);
    while (!s.empty() && blank(s.back()))
        s.remove_suffix(1);
    return s;
}

int local_port_of(int socket) noexcept {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (::getsockname(socket, reinterpret_cast<sockaddr*>(&name), &size) != 0)
        return -1;
    if (name.ss_family == AF_INET6)
        return ntohs(reinterpret_cast<sockaddr_in6 const*>(&name)->sin6_port);
    return name.ss_family == AF_INET ? ntohs(reinterpret_cast<sockaddr_in const*>(&name)->sin_port) : -1;
}

} // namespace

void transfer::set_callbacks(CURL* handle) {
    ::curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &on_header);
    ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &on_content);
    ::curl_easy_setopt(handle, CURLOPT_READFUNCTION, &on_send);
    ::curl_easy_setopt(handle, CURLOPT_RESOLVER_START_FUNCTION, &on_resolve);
    ::curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, &on_open);
    ::curl_easy_setopt(handle, CURLOPT_PREREQFUNCTION, &on_connected);
}

bool transfer::configure(CURL* handle, curl_slist* common_lines) {
    ::curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
    ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, this);
    ::curl_easy_setopt(handle, CURLOPT_READDATA, this);
    ::curl_easy_setopt(handle, CURLOPT_RESOLVER_START_DATA, this);
    ::curl_easy_setopt(handle, CURLOPT_OPENSOCKETDATA, this);
    ::curl_easy_setopt(handle, CURLOPT_PREREQDATA, this);
    ::curl_easy_setopt(handle, CURLOPT_PRIVATE, this);
    ::curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, message.data());
    ::curl_easy_setopt(handle, CURLOPT_HTTPHEADER, lines ? lines.get() : common_lines);

    ::curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L); // until the header fields are there: curl would keep a connection that breaks before

    // The handle has served another request: everything is set back first.
    std::string const& method = head.method;
    ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, nullptr);
    ::curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    bool const sends = content.present() || method == "POST" || method == "PUT" || method == "PATCH";
    if (content.streamed()) {
        ::curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
        ::curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, curl_off_t{-1});
    } else if (sends) {
        ::curl_easy_setopt(handle, CURLOPT_POST, 1L);
        ::curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(content.bytes().size()));
        ::curl_easy_setopt(handle, CURLOPT_POSTFIELDS, content.bytes().c_str());
    } else if (method == "HEAD") {
        ::curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    }
    bool const implied = (!sends && (method == "GET" || method == "HEAD")) || (sends && !content.streamed() && method == "POST");
    return ::curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, implied ? nullptr : method.c_str()) == CURLE_OK &&
           ::curl_easy_setopt(handle, CURLOPT_URL, head.url.c_str()) == CURLE_OK;
}

// --- limits of time ---------------------------------------------------------------------------------------------------------------------

deadline transfer::next_deadline() const noexcept {
    using aya::detail::saturating_add;
    deadline first{end, time_limit::total};
    auto const consider = [&](time_point from, duration limit, time_limit what) {
        if (time_point const when = limit == no_timeout ? time_point::max() : saturating_add(from, limit); when < first.when)
            first = {when, what};
    };
    switch (stage) {
    case phase::queued:
        // Without a limit for each host nobody waits for a connection to be free, but perhaps for another request's, which this one is to share.
        if (set.limits_each_host())
            consider(since, limits.pool, time_limit::pool);
        else
            consider(since, limits.connect, time_limit::connect);
        break;
    case phase::connecting:
        consider(since, limits.connect, time_limit::connect);
        break;
    case phase::active:
        if (!receiving_paused && !sending_paused)
            consider(last_activity, limits.read, time_limit::read);
        break;
    case phase::over:
        break;
    }
    return first;
}

void transfer::look_for_activity() noexcept {
    // Curl sends content of requests, and decodes that of responses, without a callback for each byte.
    curl_off_t down = 0;
    curl_off_t up = 0;
    (void)::curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    (void)::curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
    if (std::exchange(moved, down + up) != down + up)
        last_activity = set.loop_time();
    // It keeps a line of the header fields until it is whole, and says nothing of it.
    if (!head_complete && socket >= 0)
        last_activity = std::max(last_activity, last_received(socket, set.loop_time()));
}

CURLcode transfer::judged(CURLcode by_curl) noexcept {
    auto const say = [this](std::string_view what) { message[what.copy(message.data(), message.size() - 1)] = '\0'; };
    if (stage != phase::active || head_complete)
        return by_curl;
    if (by_curl == CURLE_OK) { // curl is content with some of the header fields
        say("the connection was closed in the middle of the header fields");
        return CURLE_RECV_ERROR;
    }
    if (by_curl == CURLE_OUT_OF_MEMORY) { // so curl calls a line that is longer than it takes
        say("a line of the header fields is too long");
        return CURLE_WEIRD_SERVER_REPLY;
    }
    return by_curl;
}

void transfer::enter(phase p) {
    if (stage == p)
        return;
    stage = p;
    since = set.loop_time();
    last_activity = since;
    set.deadline_changed(*this);
}

// --- callbacks, with the set's lock held -------------------------------------------------------------------------------------------------

int transfer::on_resolve(void*, void*, void* self) noexcept {
    static_cast<transfer*>(self)->enter(phase::connecting);
    return 0;
}

curl_socket_t transfer::on_open(void* self, curlsocktype, curl_sockaddr* address) noexcept {
    auto& t = *static_cast<transfer*>(self);
    t.enter(phase::connecting);
    int const opened = ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (opened < 0)
        return CURL_SOCKET_BAD;
    t.set.forget(opened); // one that had the number
    try {
        t.sockets.push_back(opened);
    } catch (...) {
        // It is not counted.
    }
    return opened;
}

int transfer::on_connected(void* self, char*, char*, int, int local_port) noexcept {
    auto& t = *static_cast<transfer*>(self);
    t.enter(phase::active);
    // None for a connection that was there; of several, it is the one with that port.
    for (int s : t.sockets)
        if (t.sockets.size() == 1 || local_port_of(s) == local_port)
            t.set.connected(s);
    t.sockets.clear();
    return CURL_PREREQFUNC_OK;
}

std::size_t transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept {
    auto& t = *static_cast<transfer*>(self);
    std::size_t const n = size * count;
    t.last_activity = t.set.loop_time();
    try {
        return t.take_header({data, n}) ? n : 0;
    } catch (...) {
        t.result = CURLE_OUT_OF_MEMORY;
        return 0;
    }
}

bool transfer::take_header(std::string_view line) {
    header_bytes += line.size();
    if (header_bytes > max_header_bytes) {
        refusal = "the response has more than " + std::to_string(max_header_bytes) + " bytes of header fields";
        return false;
    }
    if (head_complete)
        return true; // trailers
    if (line.starts_with("HTTP/")) {
        head.headers.clear(); // of an interim response
        head.headers.reserve(8);
        line = trimmed(line);
        std::size_t const first = std::min(line.find(' '), line.size());
        head.http_version = line.substr(0, first);
        std::string_view const rest = trimmed(line.substr(first));
        head.status_code = 0;
        for (char c : rest.substr(0, 3))
            if (c >= '0' && c <= '9')
                head.status_code = head.status_code * 10 + (c - '0');
        head.reason_phrase = rest.size() > 3 ? trimmed(rest.substr(3)) : std::string_view();
        return true;
    }
    if (trimmed(line).empty()) {
        if (head.status_code >= 200) {
            head_complete = true;
            ::curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 0L);
            if (streaming)
                set.note(*this);
        }
        return true;
    }
    if (std::size_t const colon = line.find(':'); colon != std::string_view::npos)
        head.headers.add_received(trimmed(line.substr(0, colon)), trimmed(line.substr(colon + 1)));
    return true;
}

std::size_t transfer::on_content(char* data, std::size_t size, std::size_t count, void* self) noexcept {
    auto& t = *static_cast<transfer*>(self);
    std::size_t const n = size * count;
    t.last_activity = t.set.loop_time();
    if (t.streaming && t.received.size() >= high_water) {
        t.receiving_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    try {
        if (!t.streaming && t.max_content_bytes != 0 && n > t.max_content_bytes - std::min(t.received.size(), t.max_content_bytes)) {
            t.refusal = "the response has more than " + std::to_string(t.max_content_bytes) + " bytes of content";
            return 0;
        }
        t.received.append(data, n);
    } catch (...) {
        t.result = CURLE_OUT_OF_MEMORY;
        return 0;
    }
    if (t.streaming)
        t.set.note(t);
    return n;
}

std::size_t transfer::on_send(char* room, std::size_t size, std::size_t count, void* self) noexcept {
    auto& t = *static_cast<transfer*>(self);
    t.last_activity = t.set.loop_time();
    std::size_t const n = std::min(size * count, t.to_send.size());
    if (n == 0 && !t.all_given) {
        t.sending_paused = true;
        t.set.note(t);
        return CURL_READFUNC_PAUSE;
    }
    std::memcpy(room, t.to_send.data(), n);
    t.to_send.erase(0, n);
    t.set.note(t);
    return n;
}

} // namespace aya::inline v1::http::detail
