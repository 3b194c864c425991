// SPDX-License-Identifier: Apache-2.0
// What a request sends: bytes, text, JSON, a form, or chunks that are made on the way.
#pragma once

#include <aya/async_generator.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace aya::inline v1::http {

/// The content of a request and its type. Copyable; copies of streamed content share the one stream.
class content {
public:
    /// None.
    content() = default;
    /// Bytes as they are; no Content-Type when `type` is empty.
    explicit content(std::string bytes, std::string type = {}) : bytes_(std::move(bytes)), type_(std::move(type)), present_(true) {}
    /// Chunks, each of which is sent when it has been made; the generator runs inside the task that awaits the request. Sent once: a
    /// redirect that would send it again is an error.
    explicit content(async_generator<std::string> chunks, std::string type = "application/octet-stream")
        : chunks_(std::make_shared<async_generator<std::string>>(std::move(chunks))), type_(std::move(type)), present_(true) {}

    [[nodiscard]] bool present() const noexcept { return present_; }
    [[nodiscard]] bool streamed() const noexcept { return chunks_ != nullptr; }
    [[nodiscard]] std::string const& bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::string const& type() const noexcept { return type_; }
    [[nodiscard]] std::shared_ptr<async_generator<std::string>> const& chunks() const noexcept { return chunks_; }

private:
    std::string bytes_;
    std::shared_ptr<async_generator<std::string>> chunks_;
    std::string type_;
    bool present_ = false;
};

/// JSON that the caller has written. Mirrors json=...
[[nodiscard]] inline content json(std::string text) { return content(std::move(text), "application/json"); }

/// Plain text in UTF-8.
[[nodiscard]] inline content text(std::string text) { return content(std::move(text), "text/plain; charset=utf-8"); }

/// The fields of an HTML form. Mirrors data={...}: `http::form f; f.add("name", "value"); co_await client.post(url, f);`
class form {
public:
    /// One more field, percent-encoded.
    form& add(std::string_view name, std::string_view value);
    [[nodiscard]] std::string const& encoded() const noexcept { return encoded_; }
    operator content() const { return content(encoded_, "application/x-www-form-urlencoded"); }

private:
    std::string encoded_;
};

/// `text` with everything but letters, digits and -._~ as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text);

} // namespace aya::inline v1::http
