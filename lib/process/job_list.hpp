// SPDX-License-Identifier: Apache-2.0
// Jobs in a row, linked by themselves: putting one in cannot fail.
#pragma once

#include <aya/detail/process_job.hpp>

#include <cstddef>
#include <utility>

namespace aya::inline v1::detail {

class job_list {
public:
    job_list() = default;
    job_list(job_list&& other) noexcept
        : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    job_list& operator=(job_list&&) = delete;

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] process_job& front() const noexcept { return *first_; }

    void push_back(process_job& job) noexcept {
        job.next = nullptr;
        job.previous = last_;
        (last_ == nullptr ? first_ : last_->next) = &job;
        last_ = &job;
        ++size_;
    }
    void push_front(process_job& job) noexcept {
        job.previous = nullptr;
        job.next = first_;
        (first_ == nullptr ? last_ : first_->previous) = &job;
        first_ = &job;
        ++size_;
    }
    void remove(process_job& job) noexcept {
        (job.previous == nullptr ? first_ : job.previous->next) = job.next;
        (job.next == nullptr ? last_ : job.next->previous) = job.previous;
        job.next = job.previous = nullptr;
        --size_;
    }
    process_job& pop_front() noexcept {
        process_job& job = *first_;
        remove(job);
        return job;
    }
    process_job& pop_back() noexcept {
        process_job& job = *last_;
        remove(job);
        return job;
    }

private:
    process_job* first_ = nullptr;
    process_job* last_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace aya::inline v1::detail
