// SPDX-License-Identifier: Apache-2.0
// A response whose content is read as it comes.
#pragma once

#include <aya/http/response.hpp>
#include <aya/task.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace aya::inline v1::http {

namespace detail {
class exchange;
}

/// The head of a response, and its content piece by piece. Holds its connection until the content has been read to the end or the object is
/// destroyed, which closes the connection at once if there is more to come. A reader that is slow holds up the server: no more than a few
/// hundred KiB are kept. One task at a time. Move-only. Mirrors what `async with client.stream(...)` gives.
class response_stream {
public:
    response_stream(std::shared_ptr<detail::exchange> e, detail::response_head head);
    response_stream(response_stream&&) noexcept;
    response_stream& operator=(response_stream&&) noexcept;
    ~response_stream();

    [[nodiscard]] int status_code() const noexcept { return head_.status_code; }
    [[nodiscard]] std::string const& reason_phrase() const noexcept { return head_.reason_phrase; }
    [[nodiscard]] std::string const& http_version() const noexcept { return head_.http_version; }
    [[nodiscard]] http::headers const& headers() const noexcept { return head_.headers; }
    [[nodiscard]] std::string const& url() const noexcept { return head_.url; }
    [[nodiscard]] bool is_success() const noexcept { return status_code() / 100 == 2; }

    /// Throws http_status_error unless the status is 2xx; the content is not in it.
    void raise_for_status() const;

    /// What has come, as soon as there is something; empty at the end. Throws request_error's family when the connection breaks. A cancelled
    /// call loses nothing. Mirrors aiter_bytes(): `while (auto chunk = co_await s.next())`.
    [[nodiscard]] task<std::optional<std::string>> next();
    /// The next line, without its end (\n or \r\n); empty at the end. Throws protocol_error for one that is longer than `limit` bytes. Mirrors aiter_lines().
    [[nodiscard]] task<std::optional<std::string>> next_line(std::size_t limit = 1024 * 1024);
    /// All that is left. Mirrors aread().
    [[nodiscard]] task<std::string> read();

    /// Gives the connection up now. Mirrors aclose().
    void close() noexcept;

private:
    std::shared_ptr<detail::exchange> exchange_;
    detail::response_head head_;
    std::string pending_; // read for lines, and not used yet
    std::size_t searched_ = 0;
};

} // namespace aya::inline v1::http
