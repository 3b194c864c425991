// SPDX-License-Identifier: Apache-2.0
// Redirects, as httpx follows them: each hop is a request of its own.
#pragma once

#include <aya/http/request.hpp>
#include <aya/http/response.hpp>

#include <memory>
#include <string>

namespace aya::inline v1::http::detail {

/// Whether `r` says where to go on.
[[nodiscard]] bool is_followable(response const& r) noexcept;

/// The next request. A browser's rules: 303 always, 302 nearly, and 301 after POST become GET without content. Credentials do not go to another
/// origin. Throws request_error for content that can be sent only once, invalid_url, unsupported_protocol.
[[nodiscard]] request redirected(request r, response const& to);

} // namespace aya::inline v1::http::detail
