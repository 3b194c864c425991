// SPDX-License-Identifier: Apache-2.0
// Where a task's steps run.
#pragma once

#include <memory>
#include <utility>

namespace aya::inline v1::detail {

class executor_base;
class scheduler;

/// A counted reference to the scheduler of an executor's tasks; or to a runtime's own, which needs no count.
class placement {
public:
    placement() = default;
    explicit placement(scheduler& home) noexcept;
    /// For tasks of the runtime of `home` that run on `e`. Throws std::bad_alloc.
    placement(scheduler& home, std::shared_ptr<executor_base> const& e);
    placement(placement&& other) noexcept : home_(std::exchange(other.home_, nullptr)) {}
    placement& operator=(placement&& other) noexcept {
        placement moved(std::move(other));
        std::swap(home_, moved.home_);
        return *this;
    }
    ~placement();

    [[nodiscard]] bool empty() const noexcept { return home_ == nullptr; }
    [[nodiscard]] scheduler& home() const noexcept { return *home_; }

private:
    scheduler* home_ = nullptr;
};

} // namespace aya::inline v1::detail
