// SPDX-License-Identifier: Apache-2.0
// What queues and workers hold.
#pragma once

namespace aya::inline v1::detail {

/// Anything that a worker can run: a task to start or to resume, or a posted callback. Intrusive, so that queues allocate nothing.
struct ready {
    using function = void (*)(ready&) noexcept;

    explicit ready(function f) noexcept : run(f) {}
    ready(ready const&) = delete;
    ready& operator=(ready const&) = delete;

    ready* next = nullptr;
    function run;

protected:
    ~ready() = default;
};

} // namespace aya::inline v1::detail
