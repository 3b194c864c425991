// SPDX-License-Identifier: Apache-2.0
// The child's side: begins one call after the other, until the parent closes the socket or is gone.
#include "process/main_hook.hpp"
#include "process/wire.hpp"

#include <aya/detail/process_function.hpp>
#include <aya/process_pool_main.hpp>

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <typeinfo>

#include <cxxabi.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace aya::inline v1 {

namespace detail {

namespace {

std::atomic<bool> hook_was_called{false};

constexpr std::size_t longest_text = 8 * 1024;

[[noreturn]] void give_up(char const* why) {
    std::fprintf(stderr, "aya::process_pool_main: %s\n", why);
    std::_Exit(3);
}

void put_text(message_output& to, std::string_view text) {
    text = text.substr(0, longest_text);
    to.append_array(text.data(), text.size());
}

std::string name_of_current_exception() {
    std::type_info const* const type = abi::__cxa_current_exception_type();
    if (type == nullptr)
        return "unknown";
    int status = 0;
    char* const name = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
    std::string text = name == nullptr ? type->name() : name;
    std::free(name);
    return text;
}

/// The end of a call by the exception that is being handled.
process_status describe_current_exception(process_message& end) {
    end = {};
    message_output output(end, false);
    try {
        throw;
    } catch (call_failure const& failure) {
        try {
            std::rethrow_exception(failure.error);
        } catch (std::exception const& e) {
            put_text(output, e.what());
        } catch (...) {
            put_text(output, name_of_current_exception());
        }
        return process_status::not_serializable;
    } catch (std::exception const& e) {
        put_text(output, name_of_current_exception());
        put_text(output, e.what());
    } catch (...) {
        put_text(output, name_of_current_exception());
        put_text(output, "");
    }
    return process_status::threw;
}

class worker_loop {
public:
    explicit worker_loop(wire_memory& m) noexcept : memory_(&m), calls_(m.calls), ends_(m.ends) {}

    /// Returns when the parent wants no more.
    void run() {
        for (;;) {
            while (begin_call())
                run_call();
            if (!wait_for_byte([this] { return available(); }))
                return;
        }
    }

private:
    bool available() const noexcept {
        std::uint64_t const claim = memory_->claim.load();
        return begun_of(claim) != limit_of(claim);
    }

    bool begin_call() noexcept {
        std::uint64_t claim = memory_->claim.load();
        do {
            if (begun_of(claim) == limit_of(claim))
                return false;
        } while (!memory_->claim.compare_exchange_weak(claim, claim + 1));
        return true;
    }

    /// Sleeps until there is something. False when the parent is gone.
    template <class Condition>
    bool wait_for_byte(Condition condition) {
        memory_->child_sleeps.store(1);
        bool alive = true;
        if (!condition())
            alive = receive_bytes(child_socket, received_, true) == received::something;
        memory_->child_sleeps.store(0);
        return alive;
    }

    void run_call() {
        wire_header header;
        calls_.copy_out(read_, &header, sizeof header);
        while (received_.size() < header.blocks)
            if (receive_bytes(child_socket, received_, true) != received::something)
                std::_Exit(0);
        process_message call, end;
        process_status status = attempt(end, [&] {
            serialize_or_fail([&] { read_message(calls_, read_, header, received_, call); });
            return process_status::returned;
        });
        read_ += sizeof header + header.blocks * sizeof(std::uint64_t) + header.bytes;
        memory_->calls_read.store(read_);
        if (status == process_status::returned)
            status = attempt(end, [&] { return invoke(header.function, call, end); });
        header.status = static_cast<std::uint32_t>(status);
        send(header, end);
    }

    template <class Step>
    static process_status attempt(process_message& end, Step step) {
        try {
            return step();
        } catch (...) {
            return describe_current_exception(end);
        }
    }

    process_status invoke(std::uint64_t id, process_message& call, process_message& end) {
        if (id == 0)
            return process_status::returned; // no initializer
        if (last_ == nullptr || last_->id() != id)
            last_ = process_function::find(id);
        if (last_ != nullptr) {
            last_->invoke(call, end);
            return process_status::returned;
        }
        return process_status::unknown_function;
    }

    void send(wire_header const& header, process_message const& end) {
        std::size_t const size = wire_size(end);
        auto const room = [&] { return ring_bytes - (written_ - memory_->ends_read.load()) >= size; };
        while (!room()) {
            wake_parent();
            if (!wait_for_byte(room))
                std::_Exit(0);
        }
        if (!end.blocks.empty()) {
            std::array<int, most_descriptors> descriptors;
            std::size_t n = 0;
            for (shared_block const& b : end.blocks)
                descriptors[n++] = b.descriptor();
            while (!send_byte(child_socket, {descriptors.data(), n}, true)) {
                if (errno != ETOOMANYREFS && errno != ENOBUFS && errno != ENOMEM)
                    std::_Exit(0); // the parent is gone
                ::usleep(1000);    // the kernel's own limits: it has something to deliver first
            }
        }
        write_message(ends_, written_, header, end);
        written_ += size;
        memory_->ends_written.store(written_);
        wake_parent();
    }

    void wake_parent() noexcept {
        if (memory_->parent_sleeps.load() != 0 && memory_->parent_sleeps.exchange(0) != 0)
            (void)send_byte(child_socket, {}, true);
    }

    wire_memory* memory_;
    ring_view calls_;
    ring_view ends_;
    std::uint64_t read_ = 0;
    std::uint64_t written_ = 0;
    std::vector<unique_descriptor> received_;
    process_function const* last_ = nullptr;
};

wire_memory& map_memory() {
    struct stat status {};
    if (::fstat(child_memory, &status) != 0 || static_cast<std::size_t>(status.st_size) != sizeof(wire_memory))
        give_up("this argument is for the library's own use");
    void* const mapping = ::mmap(nullptr, sizeof(wire_memory), PROT_READ | PROT_WRITE, MAP_SHARED, child_memory, 0);
    if (mapping == MAP_FAILED)
        give_up("no memory for the pool");
    ::close(child_memory);
    return *static_cast<wire_memory*>(mapping);
}

} // namespace

bool process_main_was_called() noexcept { return hook_was_called.load(); }

} // namespace detail

void process_pool_main(int argc, char** argv) {
    using namespace detail;
    hook_was_called.store(true);
    if (argc != 2 || std::string_view(argv[1]) != child_marker)
        return;
    wire_memory& memory = map_memory();
    if (memory.magic != wire_magic)
        give_up("the parent speaks another version");
    // The kernel sends this when the parent's thread ends; the parent may have been gone before it was asked to.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != memory.parent)
        std::_Exit(0);
    ::prctl(PR_SET_NAME, ::program_invocation_short_name); // not "exe", as which it was started
    // What the calls start must not hold the pool's socket.
    ::fcntl(child_socket, F_SETFD, FD_CLOEXEC);
    // Ctrl-C goes to the whole group: the parent decides what becomes of its calls.
    ::signal(SIGINT, SIG_IGN);
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    ::pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr); // the parent has blocked it
    worker_loop(memory).run();
    std::exit(0);
}

} // namespace aya::inline v1
