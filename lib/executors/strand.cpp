// SPDX-License-Identifier: Apache-2.0
#include <aya/strand.hpp>

#include "scheduler/injection_queue.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace aya::inline v1::detail {

namespace {

class strand_base final : public executor_base, private ready, public std::enable_shared_from_this<strand_base> {
public:
    explicit strand_base(std::shared_ptr<executor_base> below) noexcept : ready(&drain), below_(std::move(below)) {}

    void submit(ready& r) noexcept override {
        (void)posted_.push(r);
        // Counted after the push: whoever drains finds as many as it counts. The read-modify-write makes the push visible to take().
        if (count_.fetch_add(1) == 0)
            hand_over(shared_from_this());
    }

private:
    static constexpr std::size_t most_at_once = 64; // the executor below has other work too

    void hand_over(std::shared_ptr<strand_base> self) noexcept {
        // The last of what runs here may end, and this object with it, before submit() returns.
        std::shared_ptr<executor_base> const below = below_;
        keep_ = std::move(self);
        below->submit(*this);
    }

    static void drain(ready& r) noexcept {
        auto& s = static_cast<strand_base&>(r);
        std::shared_ptr<strand_base> self = std::move(s.keep_);
        char const* const why = take_refusal();
        std::size_t const n = std::min(s.count_.load(), most_at_once);
        for (std::size_t i = 0; i < n; ++i) {
            ready& next = s.take();
            if (why == nullptr)
                next.run(next);
            else
                refuse(next, why);
        }
        // From zero on, another thread may drain.
        if (s.count_.fetch_sub(n) != n)
            s.hand_over(std::move(self));
    }

    ready& take() noexcept {
        if (first_ == nullptr)
            first_ = posted_.pop_all();
        return *std::exchange(first_, first_->next);
    }

    std::shared_ptr<executor_base> const below_;
    injection_queue posted_;
    std::atomic<std::size_t> count_{0}; // of what is not done
    ready* first_ = nullptr;            // taken from posted_; whoever drains
    std::shared_ptr<strand_base> keep_; // this, while it is handed to the executor below
};

} // namespace

} // namespace aya::inline v1::detail

namespace aya::inline v1 {

strand::strand(any_executor const& below)
    : any_executor(detail::executor_access::make(std::make_shared<detail::strand_base>(detail::executor_access::base(below)))) {}

} // namespace aya::inline v1
