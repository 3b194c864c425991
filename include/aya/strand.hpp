// SPDX-License-Identifier: Apache-2.0
// strand: what runs on it runs one at a time.
#pragma once

#include <aya/executor.hpp>

namespace aya::inline v1 {

/// An executor on top of another one: what it is given runs there, one piece at a time and in the order of submission. Tasks of one strand
/// (create_task({.executor = s}, ...)) have asyncio's guarantee back: between two awaits, no other task of the strand runs, so what only
/// they use needs no lock. Tasks that they create, and gather, are of the strand too.
/// A copy names the same strand. It lives as long as anything runs on it. Thread safety: all of it. Cost of a step: two locked
/// instructions, and the hand-over to the executor below when the strand was idle. Mirrors the single thread of asyncio's loop; the name is Asio's.
class strand : public any_executor {
public:
    /// On the executor of the running task. Throws invalid_state_error outside a runtime.
    strand() : strand(this_executor()) {}
    explicit strand(any_executor const& below);
};

} // namespace aya::inline v1
