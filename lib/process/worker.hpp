// SPDX-License-Identifier: Apache-2.0
// A child process as the pool sees it. Everything under the pool's lock.
#pragma once

#include "process/descriptor.hpp"
#include "process/job_list.hpp"
#include "process/wire.hpp"

#include <aya/detail/process_job.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace aya::inline v1::detail {

/// A child did what no child of ours does: its memory or its messages are broken.
class malformed {
public:
    explicit malformed(char const* what) noexcept : what_(what) {}
    [[nodiscard]] char const* what() const noexcept { return what_; }

private:
    char const* what_;
};

class process_worker {
public:
    enum class state : std::uint8_t {
        starting, ///< has the initializer to run
        ready,
        leaving,  ///< its socket is closed: it exits by itself
        dying     ///< killed, or dead already
    };

    /// Starts the program of this process once more, as a child whose first call is `initializer` (or nothing). Throws std::system_error,
    /// std::bad_alloc. On the thread that will be there as long as the child.
    process_worker(std::uint64_t number, process_function const* initializer, process_message const& arguments);
    /// Kills and reaps the child if it still runs.
    ~process_worker();
    process_worker(process_worker const&) = delete;
    process_worker& operator=(process_worker const&) = delete;

    [[nodiscard]] bool has_room(process_job const& job) const;
    /// Gives it a call; the child may begin it after publish(). False when the socket does not take the descriptors now.
    [[nodiscard]] bool give(process_job& job);
    /// Lets the child begin what it was given, and wakes it.
    void publish();

    /// Takes calls back that the child has not begun, at most `most`, the last ones; puts them behind `into` in their order.
    void take_back(std::size_t most, job_list& into);
    /// How many it could give back.
    [[nodiscard]] std::size_t not_begun() const;

    /// The next call that has ended, with its end filled in; null when there is none now. Nothing else may be read before.
    [[nodiscard]] process_job* next_end();
    /// While starting: the end of the first call, if it is there.
    [[nodiscard]] bool next_start(process_status& status, process_message& text);
    /// After some next_end(): tells a child that waits for room.
    void ends_taken();
    [[nodiscard]] bool has_ends() const noexcept;
    /// From now on the child sends a byte when something ends.
    void want_byte() noexcept { memory_->parent_sleeps.store(1); }

    /// Reads the bytes that have come. False at the end of the stream.
    [[nodiscard]] bool drain_socket();
    void kill(int signal) noexcept;
    /// The child reads the end of the stream when it has nothing else to do, and exits.
    void close_socket() noexcept { socket_.reset(); }
    /// True once the child is dead; then it is reaped, and how_it_ended() says how.
    [[nodiscard]] bool reap() noexcept;
    [[nodiscard]] std::string how_it_ended() const;

    /// When the child is dead: those that it had begun, and those that it had not, in their order.
    void split(job_list& begun, job_list& others);

    [[nodiscard]] std::uint64_t number() const noexcept { return number_; }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }
    [[nodiscard]] int socket() const noexcept { return socket_.get(); }
    [[nodiscard]] int handle() const noexcept { return handle_.get(); }
    [[nodiscard]] std::size_t load() const noexcept { return calls_.size(); }
    /// Calls it was given and that were not taken back; the initializer does not count.
    [[nodiscard]] std::uint64_t given() const noexcept { return limit_ - 1; }
    /// Whether its initializer has run.
    [[nodiscard]] bool started() const noexcept { return started_; }

    state now = state::starting;
    std::chrono::steady_clock::time_point patience; // when leaving: it is killed then
    bool unpublished = false;      // was given something
    char const* complaint = nullptr; // what was malformed

private:
    struct given_call {
        process_job* job;
        std::uint64_t position;
        bool keeps; // descriptors are on their way: it cannot be taken back
    };
    struct memory_deleter {
        void operator()(wire_memory* m) const noexcept;
    };

    void put_first(process_function const* initializer, process_message const& arguments);
    void spawn(int socket, int memory);
    [[nodiscard]] std::uint32_t begun() const;
    [[nodiscard]] std::uint32_t floor(std::uint32_t begun_count) const noexcept;
    /// Of calls_; limit_ when that is empty.
    [[nodiscard]] std::uint32_t first_number() const noexcept { return limit_ - static_cast<std::uint32_t>(calls_.size()); }
    [[nodiscard]] bool read_end(std::uint32_t sequence, process_status& status, process_message& into);

    std::uint64_t number_;
    pid_t pid_ = -1;
    unique_descriptor handle_; // pidfd
    unique_descriptor socket_;
    std::unique_ptr<wire_memory, memory_deleter> memory_;
    ring_view calls_ring_;
    ring_view ends_ring_;
    std::deque<given_call> calls_; // given and not ended; the last one is number limit_ - 1
    std::uint32_t limit_ = 0;      // calls given, the first one included
    std::uint32_t published_ = 0;
    std::uint64_t calls_written_ = 0;
    std::uint64_t ends_read_ = 0;
    std::vector<unique_descriptor> received_;
    int wait_status_ = 0;
    bool sends_blocks_ = false; // with the last result
    bool started_ = false;
    bool reaped_ = false;
    bool status_known_ = false;
};

} // namespace aya::inline v1::detail
