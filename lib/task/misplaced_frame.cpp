// SPDX-License-Identifier: Apache-2.0
#include "inspect/function_name.hpp"

#include <aya/detail/promise.hpp>
#include <aya/errors.hpp>

#include <fmt/format.h>

namespace aya::inline v1::detail {

void throw_misplaced_frame(std::source_location const& where) {
    throw invalid_state_error(fmt::format(
        "aya::task: {}:{}: {}: g++ 12 lays this coroutine out wrongly, because it awaits in a condition and declares no variable: it could never "
        "run. Declare one: `bool const more = co_await ...; if (more)`",
        file_name(where.file_name()), where.line(), function_name(where.function_name())));
}

} // namespace aya::inline v1::detail
