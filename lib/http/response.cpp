// SPDX-License-Identifier: Apache-2.0
#include <aya/http/response.hpp>

#include <aya/http/errors.hpp>

#include <string>

namespace aya::inline v1::http::detail {

void throw_status(response const& r) {
    throw http_status_error("aya::http: " + r.method() + " " + r.url() + ": status " + std::to_string(r.status_code()) +
                                (r.reason_phrase().empty() ? "" : " " + r.reason_phrase()),
                            r);
}

} // namespace aya::inline v1::http::detail
