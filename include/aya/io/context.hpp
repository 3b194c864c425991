// SPDX-License-Identifier: Apache-2.0
// The Asio context of a runtime, which its workers run themselves: what sockets and other I/O objects are made with.
#pragma once

#include <boost/asio/io_context.hpp>

namespace aya::inline v1 {
class runtime;
}

namespace aya::inline v1::io {

/// The running task's runtime waits for I/O with this context; made at the first call. Objects made with it must be gone before the runtime is.
/// Its handlers run on workers, one at a time; what is posted to it must not block. Do not run or stop it.
/// Throws invalid_state_error outside a task.
[[nodiscard]] boost::asio::io_context& context();

/// The same of `rt`. Any thread.
[[nodiscard]] boost::asio::io_context& context(runtime& rt);

} // namespace aya::inline v1::io
