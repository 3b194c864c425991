// SPDX-License-Identifier: Apache-2.0
#include "http/exchange.hpp"

#include "executors/runtime_core.hpp"
#include "http/curl_setup.hpp"

#include <aya/errors.hpp>
#include <aya/http/errors.hpp>
#include <aya/timeout.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace aya::inline v1::http::detail {

namespace {

// So much of a streamed request is kept ahead of the connection.
constexpr std::size_t send_ahead = 64 * 1024;

time_point steady_now() noexcept { return time_point(std::chrono::steady_clock::now()); }

/// Real time goes by while the task waits: virtual time stands still.
class counted_wait {
public:
    counted_wait(connection_pool& pool, transfer& t) noexcept : transfer_(t) {
        auto& clock = pool.owner().clock();
        if (!clock.is_virtual)
            return;
        clock.outside.fetch_add(1);
        transfer_.counted.store(&clock);
    }
    counted_wait(counted_wait const&) = delete;
    counted_wait& operator=(counted_wait const&) = delete;
    ~counted_wait() {
        if (auto* const clock = transfer_.counted.exchange(nullptr); clock != nullptr)
            clock->outside.fetch_sub(1);
    }

private:
    transfer& transfer_;
};

task<semaphore::permit> wait_for_place(semaphore* places) { co_return co_await places->acquire(); }

task<semaphore::permit> take_place(connection_pool& pool, timeouts limits, time_point end, std::string url) {
    if (!pool.places().locked())
        co_return co_await pool.places().acquire();
    duration const left = end == time_point::max() ? no_timeout : end - steady_now();
    try {
        co_return co_await aya::timeout(std::min(limits.pool, left), wait_for_place, &pool.places());
    } catch (aya::timeout_error const&) {
        if (left <= limits.pool)
            throw total_timeout("aya::http: " + url + ": the time for the whole request is over; all connections were taken", url);
        throw pool_timeout("aya::http: " + url + ": all connections were taken for too long (limits.max_connections is " +
                               std::to_string(pool.options().limits.max_connections) + ")",
                           url);
    }
}

} // namespace

time_point total_end(request const& r, client_options const& o) {
    duration const total = (r.timeout() ? *r.timeout() : o.timeout).total;
    return total == no_timeout ? time_point::max() : aya::detail::saturating_add(steady_now(), total);
}

task<std::shared_ptr<exchange>> exchange::begin(std::shared_ptr<connection_pool> pool, request r, time_point end, bool streaming) {
    client_options const& o = pool->options();
    check_url(r.url());
    timeouts const limits = r.timeout() ? *r.timeout() : o.timeout;
    semaphore::permit place = co_await take_place(*pool, limits, end, r.url());

    connection_set::seat seat = pool->choose_set();
    connection_set& set = seat.set();
    auto t = std::make_shared<transfer>(set);
    if (!r.headers().empty() || r.content().present() || r.method() == "POST" || r.method() == "PUT" || r.method() == "PATCH")
        t->lines = lines_of(r, o);
    t->content = r.content();
    t->head.method = r.method();
    t->head.url = r.url();
    t->limits = limits;
    t->end = end;
    t->streaming = streaming;
    t->max_header_bytes = o.limits.max_header_bytes;
    t->max_content_bytes = o.limits.max_content_bytes;
    auto made = std::make_shared<exchange>(pool, t, std::move(place), std::move(seat));
    set.start(*t);
    if (t->content.streamed())
        co_await made->give_content();
    co_return made;
}

exchange::exchange(std::shared_ptr<connection_pool> pool, std::shared_ptr<transfer> t, semaphore::permit place, connection_set::seat seat)
    : pool_(std::move(pool)), transfer_(std::move(t)), place_(std::move(place)), seat_(std::move(seat)) {}

void exchange::close() noexcept {
    transfer_->set.stop(*transfer_);
    give_place_up();
}

void exchange::give_place_up() noexcept {
    seat_.leave(); // first: who gets the place looks for a seat
    place_ = semaphore::permit();
}

task<> exchange::until_over() {
    transfer& t = *transfer_;
    while (!t.over.load()) {
        t.changed.clear(); // what comes from now on sets it
        if (t.over.load())
            co_return;
        counted_wait const counted(*pool_, t);
        co_await t.changed.wait();
    }
}

template <class Reached>
task<> exchange::until(Reached reached) {
    transfer& t = *transfer_;
    for (;;) {
        bool const done = transfer_->set.look([&] {
            t.changed.clear(); // what comes from now on sets it
            return t.stage == phase::over || reached(t);
        });
        if (done)
            co_return;
        counted_wait const counted(*pool_, t);
        co_await t.changed.wait();
    }
}

// Whatever the request's chunks are made of runs here, in the task, never in a callback of curl.
task<> exchange::give_content() {
    transfer& t = *transfer_;
    for (;;) {
        co_await until([](transfer const& u) { return u.to_send.size() < send_ahead; });
        if (transfer_->set.look([&] { return t.stage == phase::over; }))
            co_return; // an answer before the end of the question, or a failure
        std::optional<std::string> chunk = co_await t.content.chunks()->next();
        bool const last = !chunk;
        bool full = false;
        transfer_->set.change([&] {
            try {
                if (chunk)
                    t.to_send += *chunk;
            } catch (...) {
                full = true;
                return;
            }
            t.all_given = last;
            if (t.sending_paused && (last || !t.to_send.empty())) {
                t.sending_paused = false;
                t.set.resume(t);
            }
        });
        if (full)
            throw std::bad_alloc();
        if (last)
            co_return;
    }
}

task<response> exchange::whole() {
    co_await until_over();
    give_place_up();
    transfer& t = *transfer_; // curl knows it no more
    if (t.result != CURLE_OK || t.exceeded != time_limit::none)
        throw_failure_of(t);
    co_return response(std::move(t.head), std::move(t.received), t.ended - t.started);
}

task<response_head> exchange::head() {
    co_await until([](transfer const& u) { return u.head_complete; });
    transfer& t = *transfer_;
    bool const complete = transfer_->set.look([&] { return t.head_complete; });
    if (!complete)
        throw_failure_of(t);
    co_return t.head; // not written to since
}

task<std::optional<std::string>> exchange::next() {
    transfer& t = *transfer_;
    co_await until([](transfer const& u) { return !u.received.empty(); });
    std::string chunk;
    bool over = false;
    bool paused = false;
    transfer_->set.look([&] {
        over = t.stage == phase::over;
        paused = t.receiving_paused;
        chunk.swap(t.received);
    });
    if (paused)
        transfer_->set.change([&] {
            if (std::exchange(t.receiving_paused, false))
                t.set.resume(t);
        });
    if (!chunk.empty())
        co_return chunk;
    if (over) {
        give_place_up();
        if (t.result != CURLE_OK || t.exceeded != time_limit::none)
            throw_failure_of(t);
    }
    co_return std::nullopt;
}

} // namespace aya::inline v1::http::detail
