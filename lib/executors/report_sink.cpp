// SPDX-License-Identifier: Apache-2.0
#include "executors/report_sink.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <utility>

namespace aya::inline v1::detail {

namespace {

std::string describe(std::exception_ptr const& error) {
    if (error == nullptr)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (std::exception const& e) {
        return fmt::format(": {}", e.what());
    } catch (cancelled_error const& e) {
        return fmt::format(": {}", e.what());
    } catch (...) {
        return ": exception of unknown type";
    }
}

// In one piece, so that no other thread's comes between its lines.
void print(exception_report const& r) {
    fmt::print(stderr, "aya: {}{}{}{}{}\n{}{}", r.message, r.task_name.empty() ? "" : " (", r.task_name, r.task_name.empty() ? "" : ")",
               describe(r.exception), r.stack, r.created);
}

} // namespace

void report_sink::report(exception_report const& r) noexcept {
    // A handler that causes a report itself, of whichever runtime, might wait for its own end: that report is printed.
    thread_local bool reporting = false;
    try {
        if (handler_ == nullptr || reporting) {
            print(r);
            return;
        }
        std::lock_guard const guard(mutex_);
        struct scope { // also when printing fails
            scope() noexcept { reporting = true; }
            ~scope() { reporting = false; }
        } const here;
        try {
            handler_(r);
        } catch (...) {
            print(r);
            print({"the exception handler failed", r.task_name, std::current_exception()});
        }
    } catch (...) {
        // Even printing failed; there is nobody left to tell.
    }
}

} // namespace aya::inline v1::detail
