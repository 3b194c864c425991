// SPDX-License-Identifier: Apache-2.0
// Curl's options that follow from a client's.
#pragma once

#include "http/transfer.hpp"

#include <aya/http/client_options.hpp>
#include <aya/http/request.hpp>

#include <curl/curl.h>

namespace aya::inline v1::http::detail {

/// Before any other call of curl. Throws std::runtime_error.
void initialise_curl();

/// Throws std::invalid_argument.
void check(client_options const& o);

/// Options that are the same for every request of a client.
void set_common_options(CURL* handle, client_options const& o);

/// The header fields of a client's requests; and those of one request, which come first. Throws std::bad_alloc.
[[nodiscard]] header_lines common_lines(client_options const& o);
[[nodiscard]] header_lines lines_of(request const& r, client_options const& o);

} // namespace aya::inline v1::http::detail
