// SPDX-License-Identifier: Apache-2.0
// The HTTP client as a whole. Link with aya_http. Not part of <aya/aya.hpp>; includes neither curl nor Boost.
#pragma once

#include <aya/http/client.hpp>
#include <aya/http/client_options.hpp>
#include <aya/http/content.hpp>
#include <aya/http/errors.hpp>
#include <aya/http/headers.hpp>
#include <aya/http/request.hpp>
#include <aya/http/response.hpp>
#include <aya/http/response_stream.hpp>
