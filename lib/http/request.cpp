// SPDX-License-Identifier: Apache-2.0
#include <aya/http/request.hpp>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>

namespace aya::inline v1::http {

namespace {

bool is_alphanumeric(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string base64(std::string_view bytes) {
    static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        auto const at = [&](std::size_t k) { return i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U; };
        unsigned const group = at(0) << 16 | at(1) << 8 | at(2);
        for (unsigned k = 0; k < 4; ++k)
            text += i + k <= bytes.size() ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    return text;
}

} // namespace

std::string percent_encode(std::string_view text) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (char c : text) {
        if (is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~') {
            encoded += c;
            continue;
        }
        auto const byte = static_cast<unsigned char>(c);
        encoded += '%';
        encoded += digits[byte >> 4];
        encoded += digits[byte & 15];
    }
    return encoded;
}

form& form::add(std::string_view name, std::string_view value) {
    if (!encoded_.empty())
        encoded_ += '&';
    encoded_ += percent_encode(name) + "=" + percent_encode(value);
    return *this;
}

request::request(std::string method, std::string url) : method_(std::move(method)), url_(std::move(url)) {
    if (method_.empty() || !std::ranges::all_of(method_, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_'; }))
        throw std::invalid_argument("aya::http::request: \"" + method_ + "\" is no method");
}

request& request::query(std::string_view name, std::string_view value) {
    std::string const parameter = percent_encode(name) + "=" + percent_encode(value);
    std::size_t const fragment = std::min(url_.find('#'), url_.size());
    std::size_t const mark = url_.find('?');
    bool const first = mark >= fragment;
    bool const joined = !first && (mark + 1 == fragment || url_[fragment - 1] == '&');
    url_.insert(fragment, (first ? "?" : joined ? "" : "&") + parameter);
    return *this;
}

request& request::basic_auth(std::string_view user, std::string_view password) {
    return header("Authorization", "Basic " + base64(std::string(user) + ":" + std::string(password)));
}

} // namespace aya::inline v1::http
