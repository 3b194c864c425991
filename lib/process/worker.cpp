// SPDX-License-Identifier: Apache-2.0
#include "process/worker.hpp"

#include <aya/errors.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <new>
#include <utility>

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace aya::inline v1::detail {

namespace {

// More calls than this are not given to one child in advance; of those whose results come in shared memory only a few, since each result
// holds descriptors until it is taken.
constexpr std::size_t most_in_advance = 128;
constexpr std::size_t most_large_in_advance = 8;

} // namespace

void process_worker::memory_deleter::operator()(wire_memory* m) const noexcept { ::munmap(m, sizeof(wire_memory)); }

process_worker::process_worker(std::uint64_t number, process_function const* initializer, process_message const& arguments)
    : number_(number) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        throw_errno("aya::process_pool: a socket for a child");
    socket_.reset(ends[0]);
    unique_descriptor const theirs(ends[1]);
    // The block's mapping would go with its descriptor; this one stays, and the child has the descriptor.
    shared_block const file = shared_block::mapped(sizeof(wire_memory));
    void* const mapping = ::mmap(nullptr, sizeof(wire_memory), PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor(), 0);
    if (mapping == MAP_FAILED)
        throw_errno("aya::process_pool: memory for a child");
    memory_.reset(new (mapping) wire_memory);
    memory_->parent = ::getpid();
    calls_ring_ = ring_view(memory_->calls);
    ends_ring_ = ring_view(memory_->ends);
    put_first(initializer, arguments);
    spawn(theirs.get(), file.descriptor());
}

process_worker::~process_worker() {
    if (reaped_ || pid_ < 0)
        return;
    kill(SIGKILL);
    while (!reap()) {
        pollfd wait{handle_.get(), POLLIN, 0};
        (void)::poll(&wait, 1, -1);
    }
}

void process_worker::put_first(process_function const* initializer, process_message const& arguments) {
    wire_header header;
    header.function = initializer == nullptr ? 0 : initializer->id();
    if (!arguments.blocks.empty()) {
        std::vector<int> descriptors;
        for (shared_block const& b : arguments.blocks)
            descriptors.push_back(b.descriptor());
        if (!send_byte(socket_.get(), descriptors))
            throw_errno("aya::process_pool: the initializer's arguments");
    }
    write_message(calls_ring_, 0, header, arguments);
    calls_written_ = wire_size(arguments);
    limit_ = published_ = 1;
    memory_->claim.store(make_claim(0, 1));
}

std::uint32_t process_worker::begun() const {
    std::uint64_t const claim = memory_->claim.load();
    if (limit_of(claim) != published_ || begun_of(claim) > published_)
        throw malformed("its claims are broken");
    // What is no longer among calls_ has ended, so it was begun.
    if (started_ && begun_of(claim) < first_number())
        throw malformed("its claims are broken");
    return begun_of(claim);
}

bool process_worker::has_room(process_job const& job) const {
    if (now != state::ready || calls_.size() >= (sends_blocks_ ? most_large_in_advance : most_in_advance))
        return false;
    // Descriptors go only to an idle child: there is nothing before them that could be taken back.
    if (!job.message.blocks.empty() && !calls_.empty())
        return false;
    std::uint64_t const read = memory_->calls_read.load();
    if (read > calls_written_ || calls_written_ - read > ring_bytes)
        throw malformed("its position among the calls is broken");
    return ring_bytes - (calls_written_ - read) >= wire_size(job.message);
}

bool process_worker::give(process_job& job) {
    bool const keeps = !job.message.blocks.empty();
    calls_.push_back({&job, calls_written_, keeps}); // may throw; before anything is sent
    if (keeps) {
        int descriptors[most_descriptors];
        std::size_t n = 0;
        for (shared_block const& b : job.message.blocks)
            descriptors[n++] = b.descriptor();
        if (!send_byte(socket_.get(), {descriptors, n})) {
            calls_.pop_back();
            return false;
        }
    }
    wire_header header;
    header.sequence = limit_++;
    header.function = job.function->id();
    write_message(calls_ring_, calls_written_, header, job.message);
    calls_written_ += wire_size(job.message);
    unpublished = true;
    return true;
}

void process_worker::publish() {
    unpublished = false;
    std::uint64_t claim = memory_->claim.load();
    do {
        if (limit_of(claim) != published_ || begun_of(claim) > published_)
            throw malformed("its claims are broken");
    } while (!memory_->claim.compare_exchange_weak(claim, make_claim(begun_of(claim), limit_)));
    published_ = limit_;
    if (memory_->child_sleeps.load() != 0 && memory_->child_sleeps.exchange(0) != 0)
        (void)send_byte(socket_.get()); // if the socket is full, there is a byte in it that wakes the child; if it is closed, we shall hear
}

// The first number that could be taken back, when the child has begun so many.
std::uint32_t process_worker::floor(std::uint32_t begun_count) const noexcept {
    bool const keeps = !calls_.empty() && calls_.front().keeps;
    return keeps ? std::max(begun_count, first_number() + 1) : begun_count;
}

std::size_t process_worker::not_begun() const { return published_ - floor(begun()); }

void process_worker::take_back(std::size_t most, job_list& into) {
    if (unpublished)
        publish();
    std::uint32_t take = 0;
    std::uint64_t claim = memory_->claim.load();
    do {
        if (limit_of(claim) != published_ || begun_of(claim) > published_)
            throw malformed("its claims are broken");
        take = static_cast<std::uint32_t>(std::min<std::size_t>(most, published_ - floor(begun_of(claim))));
        if (take == 0)
            return;
    } while (!memory_->claim.compare_exchange_weak(claim, make_claim(begun_of(claim), published_ - take)));
    limit_ = published_ = published_ - take;
    std::size_t const first = calls_.size() - take;
    calls_written_ = calls_[first].position;
    for (std::size_t i = first; i < calls_.size(); ++i)
        into.push_back(*calls_[i].job);
    calls_.erase(calls_.begin() + static_cast<std::ptrdiff_t>(first), calls_.end());
}

bool process_worker::has_ends() const noexcept { return memory_->ends_written.load() != ends_read_; }

bool process_worker::read_end(std::uint32_t sequence, process_status& status, process_message& into) {
    std::uint64_t const written = memory_->ends_written.load();
    if (written == ends_read_)
        return false;
    std::uint64_t const available = written - ends_read_;
    wire_header header;
    if (written < ends_read_ || available > ring_bytes || available < sizeof header)
        throw malformed("its position among the results is broken");
    ends_ring_.copy_out(ends_read_, &header, sizeof header); // once: the child could change it between two looks
    if (!plausible(header, available) || header.sequence != sequence ||
        header.status > static_cast<std::uint32_t>(process_status::unknown_function))
        throw malformed("a result of it is broken");
    while (received_.size() < header.blocks) {
        received const what = !socket_ ? received::end : receive_bytes(socket_.get(), received_, false);
        if (what == received::truncated)
            throw malformed("no descriptors are left for its results");
        if (what != received::something)
            throw malformed("shared memory that belongs to a result of it is missing");
    }
    sends_blocks_ = header.blocks != 0;
    std::uint64_t const position = ends_read_;
    ends_read_ += sizeof header + header.blocks * sizeof(std::uint64_t) + header.bytes; // whatever becomes of it now
    status = static_cast<process_status>(header.status);
    read_message(ends_ring_, position, header, received_, into);
    return true;
}

bool process_worker::next_start(process_status& status, process_message& text) {
    if (!read_end(0, status, text))
        return false;
    started_ = true;
    ends_taken();
    return true;
}

process_job* process_worker::next_end() {
    if (calls_.empty()) {
        if (has_ends())
            throw malformed("it has sent a result that nobody asked for");
        return nullptr;
    }
    process_job& job = *calls_.front().job;
    if (!has_ends())
        return nullptr;
    std::uint32_t const sequence = first_number();
    if (sequence >= begun())
        throw malformed("it has sent a result of what it had not begun");
    process_message end;
    try {
        if (!read_end(sequence, job.status, end))
            return nullptr;
    } catch (malformed const&) {
        throw;
    } catch (std::exception const&) { // no memory, or not the memory that it should be
        job.error = std::current_exception();
    }
    job.message = std::move(end);
    calls_.pop_front();
    return &job;
}

void process_worker::ends_taken() {
    memory_->ends_read.store(ends_read_);
    if (memory_->child_sleeps.load() != 0 && memory_->child_sleeps.exchange(0) != 0)
        (void)send_byte(socket_.get()); // as in publish()
}

bool process_worker::drain_socket() {
    for (;;) {
        if (!socket_)
            return true;
        switch (receive_bytes(socket_.get(), received_, false)) {
        case received::nothing: return true;
        case received::end: return false;
        case received::truncated: throw malformed("no descriptors are left for its results");
        case received::something: break;
        }
        // What waits here belongs to results, of which there are not so many at once.
        if (received_.size() > most_descriptors * (most_in_advance + 1))
            throw malformed("it has sent too many descriptors");
    }
}

void process_worker::kill(int signal) noexcept {
    if (!reaped_)
        (void)::syscall(SYS_pidfd_send_signal, handle_.get(), signal, nullptr, 0u);
}

bool process_worker::reap() noexcept {
    if (reaped_)
        return true;
    siginfo_t info{};
    constexpr auto by_handle = static_cast<idtype_t>(3); // P_PIDFD
    int result = 0;
    do
        result = ::waitid(by_handle, static_cast<id_t>(handle_.get()), &info, WEXITED | WNOHANG);
    while (result != 0 && errno == EINTR);
    if (result == 0 && info.si_pid == 0)
        return false;
    reaped_ = true;
    // ECHILD: SIGCHLD is ignored, or somebody else waits for every child.
    status_known_ = result == 0;
    wait_status_ = info.si_code == CLD_EXITED ? info.si_status : -info.si_status;
    return true;
}

std::string process_worker::how_it_ended() const {
    std::string const what = complaint == nullptr ? std::string() : fmt::format(" ({})", complaint);
    if (!status_known_)
        return "has ended" + what;
    if (wait_status_ >= 0)
        return fmt::format("exited with status {}{}", wait_status_, what);
    return fmt::format("was killed by signal {} ({}){}", -wait_status_, ::strsignal(-wait_status_), what);
}

void process_worker::split(job_list& begun_calls, job_list& others) {
    std::uint32_t begun_count = limit_;
    try {
        begun_count = begun();
    } catch (malformed const& m) { // then all may have been begun: none is run twice
        complaint = m.what();
    }
    std::uint32_t number = first_number();
    for (given_call const& c : calls_)
        (number++ < begun_count ? begun_calls : others).push_back(*c.job);
    calls_.clear();
}

} // namespace aya::inline v1::detail
