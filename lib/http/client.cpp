// SPDX-License-Identifier: Apache-2.0
#include <aya/http/client.hpp>

#include "executors/runtime_core.hpp"
#include "http/connection_pool.hpp"
#include "http/exchange.hpp"
#include "http/redirect.hpp"

#include <aya/detail/scheduler.hpp>
#include <aya/http/errors.hpp>
#include <aya/runtime.hpp>

#include <utility>
#include <vector>

namespace aya::inline v1::http {

namespace detail {
namespace {

void resolve(request& r, client_options const& o) {
    if (!o.base_url.empty() && r.url().starts_with('/'))
        r.set_url((o.base_url.ends_with('/') ? o.base_url.substr(0, o.base_url.size() - 1) : o.base_url) + r.url());
}

/// Follows redirects from one request to the next.
class journey {
public:
    journey(client_options const& o, request r)
        : follows_(r.follow_redirects().value_or(o.follow_redirects)), most_(o.max_redirects), end_(total_end(r, o)), next_(std::move(r)) {
        resolve(next_, o);
    }

    [[nodiscard]] request next() const { return next_; }
    [[nodiscard]] time_point end() const noexcept { return end_; }
    [[nodiscard]] bool goes_on(response const& r) const noexcept { return follows_ && is_followable(r); }
    void go_on(response r) {
        if (history_.size() >= most_)
            throw too_many_redirects("aya::http: " + next_.url() + ": more than " + std::to_string(most_) + " redirects", next_.url());
        next_ = redirected(std::move(next_), r);
        history_.push_back(std::move(r));
    }
    [[nodiscard]] std::vector<response> history() noexcept { return std::move(history_); }

private:
    bool follows_;
    std::size_t most_;
    time_point end_;
    request next_;
    std::vector<response> history_;
};

task<response> send_request(std::shared_ptr<connection_pool> pool, request r) {
    journey on_the_way(pool->options(), std::move(r));
    for (;;) {
        std::shared_ptr<exchange> e = co_await exchange::begin(pool, on_the_way.next(), on_the_way.end(), false);
        response got = co_await e->whole();
        e.reset();
        if (!on_the_way.goes_on(got)) {
            got.set_history(on_the_way.history());
            co_return got;
        }
        on_the_way.go_on(std::move(got));
    }
}

task<response_stream> open_stream(std::shared_ptr<connection_pool> pool, request r) {
    journey on_the_way(pool->options(), std::move(r));
    for (;;) {
        std::shared_ptr<exchange> e = co_await exchange::begin(pool, on_the_way.next(), on_the_way.end(), true);
        response_head const head = co_await e->head();
        response const got(head, {}, {});
        if (!on_the_way.goes_on(got))
            co_return response_stream(std::move(e), head);
        e.reset();
        on_the_way.go_on(got);
    }
}

} // namespace
} // namespace detail

client::client(client_options options)
    : pool_(detail::connection_pool::make(aya::detail::this_scheduler("aya::http::client").owner(), std::move(options))) {}
client::client(runtime& rt, client_options options)
    : pool_(detail::connection_pool::make(aya::detail::runtime_access::tasks(rt).owner(), std::move(options))) {}
client::client(client&&) noexcept = default;
client& client::operator=(client&&) noexcept = default;
client::~client() = default;

task<response> client::request(http::request r) { return detail::send_request(pool_, std::move(r)); }
task<response_stream> client::stream(http::request r) { return detail::open_stream(pool_, std::move(r)); }

std::size_t client::active_requests() const noexcept { return pool_->active_requests(); }
std::size_t client::open_connections() const noexcept { return pool_->open_connections(); }

} // namespace aya::inline v1::http
