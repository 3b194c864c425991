// SPDX-License-Identifier: Apache-2.0
#include "http/connection_pool.hpp"

#include "executors/runtime_core.hpp"
#include "http/curl_setup.hpp"

#include <aya/detail/scheduler.hpp>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

namespace aya::inline v1::http::detail {

namespace {

// A set has at least so many connections. So many requests at once, too, stay in the first set: fewer are not worth another one.
constexpr std::size_t least_connections = 16;
constexpr std::size_t most_sets = 64; // bits of `with_closed_`

// A limit for each host, and requests that share a connection, need all connections in one place.
std::size_t number_of_sets(std::size_t workers, client_options const& o) {
    if (o.limits.max_connections_per_host != 0 || o.version == http_version::http2_prior_knowledge)
        return 1;
    // Curl 8 says that several threads may not share cookies, locks or not.
    if (o.cookies && ::curl_version_info(CURLVERSION_NOW)->version_num >= 0x080000)
        return 1;
    return std::clamp<std::size_t>(o.limits.max_connections / least_connections, 1, std::min<std::size_t>(workers, most_sets));
}

} // namespace

std::shared_ptr<connection_pool> connection_pool::make(aya::detail::runtime_core& owner, client_options options) {
    initialise_curl();
    check(options);
    auto made = std::make_shared<connection_pool>(owner, std::move(options));
    for (auto& set : made->sets_)
        set->watch();
    return made;
}

connection_pool::connection_pool(aya::detail::runtime_core& owner, client_options options)
    : owner_(owner), options_(std::move(options)), places_(static_cast<std::ptrdiff_t>(options_.limits.max_connections)),
      common_lines_(detail::common_lines(options_)), share_(::curl_share_init()) {
    if (share_ == nullptr)
        throw std::bad_alloc();
    ::curl_share_setopt(share_, CURLSHOPT_LOCKFUNC, &lock_shared);
    ::curl_share_setopt(share_, CURLSHOPT_UNLOCKFUNC, &unlock_shared);
    ::curl_share_setopt(share_, CURLSHOPT_USERDATA, this);
    if (options_.cookies)
        ::curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE);
    ::curl_share_setopt(share_, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    try {
        std::size_t const n = number_of_sets(owner.worker_count(), options_);
        std::size_t const all = options_.limits.max_connections;
        for (std::size_t i = 0; i < n; ++i)
            sets_.push_back(std::make_unique<connection_set>(*this, all / n + (i < all % n ? 1 : 0), i));
    } catch (...) {
        sets_.clear();
        ::curl_share_cleanup(share_);
        throw;
    }
}

connection_pool::~connection_pool() {
    sets_.clear();
    ::curl_share_cleanup(share_);
}

connection_set::seat connection_pool::choose_set() noexcept {
    std::size_t first = 0;
    if (sets_.size() > 1 && active.load() >= least_connections)
        if (auto const* const here = aya::detail::this_thread())
            first = here->index;
    // Few requests leave the other sets alone. Where a server has closed what is kept, one of them makes curl notice.
    if (std::uint64_t closed = with_closed_.load(); closed != 0) {
        first = static_cast<std::size_t>(std::countr_zero(closed));
        with_closed_.fetch_and(~(std::uint64_t{1} << first));
    }
    // There are not more permits than seats, so that one is free at any moment, though perhaps not where this looks just then.
    for (;; ++first)
        if (connection_set& set = *sets_[first % sets_.size()]; set.take_seat())
            return connection_set::seat(set);
}

void connection_pool::lock_shared(CURL*, curl_lock_data what, curl_lock_access, void* self) noexcept {
    static_cast<connection_pool*>(self)->shared_mutexes_[what].lock();
}
void connection_pool::unlock_shared(CURL*, curl_lock_data what, void* self) noexcept {
    static_cast<connection_pool*>(self)->shared_mutexes_[what].unlock();
}

} // namespace aya::inline v1::http::detail
