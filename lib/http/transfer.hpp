// SPDX-License-Identifier: Apache-2.0
// One request on its way through curl, and its response as far as it has come.
#pragma once

#include <aya/http/client_options.hpp>
#include <aya/http/content.hpp>
#include <aya/http/response.hpp>
#include <aya/sync/event.hpp>
#include <aya/time.hpp>

#include <curl/curl.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace aya::inline v1::detail {
struct clock_source;
}

namespace aya::inline v1::http::detail {

class connection_set;

/// Which of its limits of time a transfer has exceeded.
enum class time_limit : std::uint8_t { none, connect, read, pool, total };

/// `queued`: curl has it, and has begun nothing. `active`: it has a connection.
enum class phase : std::uint8_t { queued, connecting, active, over };

struct free_list {
    void operator()(curl_slist* l) const noexcept { ::curl_slist_free_all(l); }
};
using header_lines = std::unique_ptr<curl_slist, free_list>;

struct deadline {
    time_point when;
    time_limit what;
};

class transfer : public std::enable_shared_from_this<transfer> {
public:
    using deadline_list = std::multimap<time_point, transfer*>;

    explicit transfer(connection_set& s) noexcept : set(s) {}
    transfer(transfer const&) = delete;
    transfer& operator=(transfer const&) = delete;

    connection_set& set;

    // --- filled in by the task before the start, and not changed since ---------------------------------------------------------------
    http::content content;
    header_lines lines;          // this request's; without, the client's
    timeouts limits;
    time_point end = time_point::max(); // the total limit, counted from the beginning of the whole request
    bool streaming = false;
    std::size_t max_header_bytes = 0;
    std::size_t max_content_bytes = 0;

    // --- under the set's lock from the start until it is over ------------------------------------------------------------------------
    CURL* easy = nullptr; // null before the start and when it is over
    phase stage = phase::queued;
    time_point since;         // when it came to that stage
    time_point last_activity; // of an active one
    int socket = -1;          // where curl last waited for it
    std::int64_t moved = 0;   // bytes of content, when that was last looked up
    deadline_list::iterator due;
    std::vector<int> sockets; // that were opened for it, and are not connected yet
    time_point started;
    time_point ended;

    response_head head;
    std::size_t header_bytes = 0;
    bool head_complete = false;
    std::string received;
    bool receiving_paused = false; // the reader is the slow one

    std::string to_send;
    bool all_given = false;      // there will be no more to send
    bool sending_paused = false; // the giver is the slow one

    CURLcode result = CURLE_OK;
    time_limit exceeded = time_limit::none;
    std::string refusal; // why a callback ended it
    std::array<char, CURL_ERROR_SIZE> message{};

    // --- how the task hears of a change: set without the lock ----------------------------------------------------------------------------
    std::atomic<bool> over{false}; // the set knows it no more, and the task may read everything above
    event changed;
    std::atomic<aya::detail::clock_source*> counted{nullptr}; // virtual time stands still while the task waits
    std::atomic<bool> noted{false}; // it is in a list, until its task is about to be woken
    std::shared_ptr<transfer> next_noted;
    transfer* next_to_start = nullptr; // while it is left to whoever has the lock

    /// Sets what differs from request to request. False when there is no memory.
    [[nodiscard]] bool configure(CURL* handle, curl_slist* common_lines);

    /// Finds what no callback told, and sets last_activity.
    void look_for_activity() noexcept;
    /// What curl's result is called here; says so in `message`.
    [[nodiscard]] CURLcode judged(CURLcode by_curl) noexcept;
    [[nodiscard]] deadline next_deadline() const noexcept;
    void enter(phase p);

    /// What curl calls: options that are the same for every transfer.
    static void set_callbacks(CURL* handle);

private:
    bool take_header(std::string_view line);

    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept;
    static std::size_t on_content(char* data, std::size_t size, std::size_t count, void* self) noexcept;
    static std::size_t on_send(char* room, std::size_t size, std::size_t count, void* self) noexcept;
    static int on_resolve(void*, void*, void* self) noexcept;
    static curl_socket_t on_open(void* self, curlsocktype, curl_sockaddr* address) noexcept;
    static int on_connected(void* self, char*, char*, int, int) noexcept;
};

} // namespace aya::inline v1::http::detail
