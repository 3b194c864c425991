// SPDX-License-Identifier: Apache-2.0
#include "platform/stack_trace.hpp"

#include <cstdlib>
#include <memory>

#include <execinfo.h>

namespace aya::inline v1::detail {

stack_trace stack_trace::here() noexcept {
    stack_trace trace;
    trace.size_ = ::backtrace(trace.calls_.data(), static_cast<int>(trace.calls_.size()));
    return trace;
}

std::string stack_trace::text() const {
    struct release {
        void operator()(char** p) const noexcept { std::free(p); } // one block, as backtrace_symbols() gives it
    };
    std::unique_ptr<char*, release> const lines(::backtrace_symbols(calls_.data(), size_));
    std::string all;
    for (int i = 1; lines != nullptr && i < size_; ++i) // the first is here()
        all.append(lines.get()[i]).append("\n");
    return all;
}

} // namespace aya::inline v1::detail
