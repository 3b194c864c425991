// SPDX-License-Identifier: Apache-2.0
// The task's side of one request: its place in the pool, its transfer, and what both are held for.
#pragma once

#include "http/connection_pool.hpp"
#include "http/transfer.hpp"

#include <aya/http/request.hpp>
#include <aya/http/response.hpp>
#include <aya/sync/semaphore.hpp>
#include <aya/task.hpp>
#include <aya/time.hpp>

#include <memory>
#include <optional>
#include <string>

namespace aya::inline v1::http::detail {

/// Destroying it, as a cancellation does, gives the connection up.
class exchange {
public:
    /// Waits for a place and sends `r`. `end`: the total limit on the steady clock. Throws as client::request().
    [[nodiscard]] static task<std::shared_ptr<exchange>> begin(std::shared_ptr<connection_pool> pool, request r, time_point end, bool streaming);

    exchange(std::shared_ptr<connection_pool> pool, std::shared_ptr<transfer> t, semaphore::permit place, connection_set::seat seat);
    exchange(exchange const&) = delete;
    exchange& operator=(exchange const&) = delete;
    ~exchange() { close(); }

    /// Waits for the end.
    [[nodiscard]] task<response> whole();
    /// Waits for the header fields of a streamed response.
    [[nodiscard]] task<response_head> head();
    /// Waits for content of a streamed response; none at its end.
    [[nodiscard]] task<std::optional<std::string>> next();

    void close() noexcept;

private:
    /// Waits until `reached(transfer)`, which is called with the set's lock held, or until the transfer is over.
    template <class Reached>
    [[nodiscard]] task<> until(Reached reached);
    [[nodiscard]] task<> until_over();
    [[nodiscard]] task<> give_content();
    void give_place_up() noexcept;

    std::shared_ptr<connection_pool> pool_;
    std::shared_ptr<transfer> transfer_;
    semaphore::permit place_;
    connection_set::seat seat_; // goes before the place
};

/// Throws what a failed transfer means. See errors.cpp.
[[noreturn]] void throw_failure_of(transfer const& t);

/// The limit of the whole request, which starts now.
[[nodiscard]] time_point total_end(request const& r, client_options const& o);

/// Throws unsupported_protocol, invalid_url.
void check_url(std::string const& url);

} // namespace aya::inline v1::http::detail
