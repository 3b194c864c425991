// SPDX-License-Identifier: Apache-2.0
#include <aya/http/response_stream.hpp>

#include "http/exchange.hpp"

#include <aya/errors.hpp>
#include <aya/http/errors.hpp>

#include <utility>

namespace aya::inline v1::http {

namespace {

void require(std::shared_ptr<detail::exchange> const& e) {
    if (!e)
        aya::detail::throw_invalid_state("aya::http::response_stream: it was closed or moved from");
}

} // namespace

response_stream::response_stream(std::shared_ptr<detail::exchange> e, detail::response_head head)
    : exchange_(std::move(e)), head_(std::move(head)) {}
response_stream::response_stream(response_stream&&) noexcept = default;
response_stream& response_stream::operator=(response_stream&&) noexcept = default;
response_stream::~response_stream() = default;

void response_stream::raise_for_status() const {
    if (!is_success())
        detail::throw_status(response(head_, {}, {}));
}

task<std::optional<std::string>> response_stream::next() {
    require(exchange_);
    if (!pending_.empty()) {
        searched_ = 0;
        co_return std::exchange(pending_, {});
    }
    co_return co_await exchange_->next();
}

task<std::optional<std::string>> response_stream::next_line(std::size_t limit) {
    require(exchange_);
    for (;;) {
        if (std::size_t const end = pending_.find('\n', searched_); end != std::string::npos) {
            std::string line = pending_.substr(0, end > 0 && pending_[end - 1] == '\r' ? end - 1 : end);
            pending_.erase(0, end + 1);
            searched_ = 0;
            co_return line;
        }
        searched_ = pending_.size();
        if (searched_ > limit)
            throw protocol_error("aya::http: " + url() + ": a line of more than " + std::to_string(limit) + " bytes", url());
        std::optional<std::string> more = co_await exchange_->next();
        if (!more) {
            searched_ = 0;
            if (pending_.empty())
                co_return std::nullopt;
            co_return std::exchange(pending_, {});
        }
        pending_ += *more;
    }
}

task<std::string> response_stream::read() {
    std::string all;
    while (auto chunk = co_await next())
        all += *chunk;
    co_return all;
}

void response_stream::close() noexcept { exchange_.reset(); }

} // namespace aya::inline v1::http
