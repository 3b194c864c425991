// SPDX-License-Identifier: Apache-2.0
// The values of context variables, as a task carries them: an immutable block, shared by those that inherited it, and copied by the one
// that changes it. A task that has none carries a null pointer. The block of a context object is changed in place, under a lock, for all
// who run in it; who inherits from it gets a copy.
#pragma once

#include <cstdint>
#include <memory>

namespace aya::inline v1::detail {

struct context_block; // in lib/task/context.hpp

using context_value = std::shared_ptr<void const>;

// All three concern the running task, or outside tasks the calling thread.

/// Null when the variable has no value.
[[nodiscard]] context_value find_context_value(std::uint64_t variable) noexcept;
/// Null: the variable has no value from now on. Gives the value that it had.
context_value exchange_context_value(std::uint64_t variable, context_value value);
/// Tells contexts apart.
[[nodiscard]] std::uint64_t context_identity();

/// The block of a context object, with the values of `like`, or of the running code.
[[nodiscard]] context_block* new_context(context_block* like);
[[nodiscard]] context_block* copy_current_context();
void share_context(context_block& block) noexcept;
void release_context(context_block& block) noexcept;
struct context_access;

/// While it lives, the running code has the values of `block`, and what it sets goes there. Within one step.
class context_visit {
public:
    explicit context_visit(context_block& block);
    ~context_visit();
    context_visit(context_visit const&) = delete;
    context_visit& operator=(context_visit const&) = delete;

private:
    context_block** place_;
    context_block* outer_;
};

[[nodiscard]] std::uint64_t new_context_variable() noexcept;
[[noreturn]] void throw_no_context_value();

} // namespace aya::inline v1::detail
