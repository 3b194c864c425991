// SPDX-License-Identifier: Apache-2.0
#include "executors/debug_mode.hpp"

#include "executors/creations.hpp"
#include "executors/current_thread.hpp"
#include "executors/runtime_core.hpp"
#include "inspect/function_name.hpp"
#include "platform/stack_trace.hpp"

#include <aya/task.hpp>

#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <string_view>

#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

// What a program that runs with the rights of another user does is not for its caller to say: the variables are not there then.
bool is_set(char const* variable) noexcept {
    char const* const value = ::secure_getenv(variable);
    return value != nullptr && *value != '\0' && std::string_view(value) != "0";
}

} // namespace

bool debug_environment() noexcept { return is_set("AYA_DEBUG"); }
bool inspection_environment() noexcept { return is_set("AYA_INSPECT"); }

std::string trace_environment() {
    static std::atomic<unsigned> runtimes{0};
    char const* const value = ::secure_getenv("AYA_TRACE");
    if (value == nullptr || *value == '\0')
        return {};
    std::string file = value;
    if (std::size_t const at = file.find("%p"); at != std::string::npos)
        file.replace(at, 2, fmt::format("{}", ::getpid()));
    unsigned const number = runtimes.fetch_add(1) + 1;
    if (number != 1) {
        std::size_t const dot = file.rfind('.');
        bool const extension = dot != std::string::npos && file.find('/', dot) == std::string::npos;
        file.insert(extension ? dot : file.size(), fmt::format("-{}", number));
    }
    return file;
}

void drop_unawaited(std::coroutine_handle<> frame) noexcept {
    thread_context const* const here = current_thread;
    std::shared_ptr<report_sink> reports;
    if (here == nullptr)
        reports = debug_reports();
    else if (here->home->debug())
        reports = here->home->owner().reports();
    if (reports != nullptr) [[unlikely]] {
        try {
            promise_base const& p = std::coroutine_handle<promise_base>::from_address(frame.address()).promise();
            stack_trace const* const made = creation_of(frame.address());
            exception_report report{made != nullptr ? "A coroutine was never awaited; it was made here"
                                                    : "A coroutine was never awaited; it is dropped here", {}, nullptr};
            report.created = made != nullptr ? made->text() : stack_trace::here().text();
            report.stack = fmt::format("  {} ({}:{})\n", function_name(p.where.function_name()), file_name(p.where.file_name()), p.where.line());
            reports->report(report);
        } catch (std::bad_alloc const&) {
            // No memory to tell with.
        }
        forget_creation(frame.address());
    }
    frame.destroy();
}

} // namespace aya::inline v1::detail
