// SPDX-License-Identifier: Apache-2.0
// The connections of one client: a set for each worker, since one set's connections are served under one lock.
//
// A client that has little to do keeps to the first set, so that its requests find the connections of those before. Each set has its part of the
// limit of connections; a request that finds its worker's set full goes to another one, and the semaphore says that there is room in one of them.
#pragma once

#include "http/connection_set.hpp"
#include "http/transfer.hpp"

#include <aya/http/client_options.hpp>
#include <aya/sync/semaphore.hpp>

#include <curl/curl.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
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
    /// For a request that has a permit.
    [[nodiscard]] connection_set::seat choose_set() noexcept;

    /// A connection that the set with that number keeps has been closed by the other side. Any thread.
    void note_closed(std::size_t set) noexcept { with_closed_.fetch_or(std::uint64_t{1} << set); }

    /// Fields that every request has, unless its own have the same names.
    [[nodiscard]] curl_slist* common_lines() noexcept { return common_lines_.get(); }
    /// Cookies and TLS sessions, which all sets have in common.
    [[nodiscard]] CURLSH* share() noexcept { return share_; }

    [[nodiscard]] std::size_t active_requests() const noexcept { return active.load(); }
    [[nodiscard]] std::size_t open_connections() const noexcept { return open.load(); }

    // Counted by the sets.
    std::atomic<std::size_t> active{0};
    std::atomic<std::size_t> open{0};

private:
    static void lock_shared(CURL*, curl_lock_data what, curl_lock_access, void* self) noexcept;
    static void unlock_shared(CURL*, curl_lock_data what, void* self) noexcept;

    aya::detail::runtime_core& owner_;
    client_options const options_;
    semaphore places_;
    header_lines common_lines_;
    std::array<std::mutex, CURL_LOCK_DATA_LAST> shared_mutexes_;
    CURLSH* share_ = nullptr;
    std::vector<std::unique_ptr<connection_set>> sets_; // 64 at most
    std::atomic<std::uint64_t> with_closed_{0};         // sets for which note_closed() was called
};

} // namespace aya::inline v1::http::detail
