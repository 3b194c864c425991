// SPDX-License-Identifier: Apache-2.0
#include "executors/debug_mode.hpp"

#include "executors/current_thread.hpp"
#include "executors/runtime_core.hpp"
#include "platform/stack_trace.hpp"

#include <aya/task.hpp>

#include <cstdlib>
#include <new>
#include <string_view>

namespace aya::inline v1::detail {

bool debug_environment() noexcept {
    char const* const value = std::getenv("AYA_DEBUG");
    return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

void drop_unawaited(std::coroutine_handle<> frame) noexcept {
    thread_context const* const here = current_thread;
    if (here != nullptr && here->home->debug()) [[unlikely]] {
        try {
            here->home->owner().reports()->report(
                {"A coroutine was never awaited; it is dropped here", {}, nullptr, stack_trace::here().text()});
        } catch (std::bad_alloc const&) {
            // No memory to tell with.
        }
    }
    frame.destroy();
}

} // namespace aya::inline v1::detail
