// SPDX-License-Identifier: Apache-2.0
// A child is started by posix_spawn and watched by its pidfd: no signal handler, and no number that may be another process's by now.
#include <aya/io/subprocess.hpp>

#include "executors/runtime_core.hpp"
#include "io/connection.hpp"
#include "io/driver.hpp"
#include "io/descriptor.hpp"

#include <aya/gather.hpp>

#include <boost/asio/posix/stream_descriptor.hpp>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace aya::inline v1::io::detail {

namespace {

constexpr auto pidfd_type = static_cast<idtype_t>(3); // P_PIDFD, which glibc's headers of some versions lack
constexpr int reaped_elsewhere = 255;
constexpr int longest_death = 10'000; // milliseconds

void require(int error, char const* what) {
    if (error != 0)
        throw_errno(error, what);
}

struct actions {
    actions() { require(::posix_spawn_file_actions_init(&value), "aya::io: starting a child"); }
    ~actions() { ::posix_spawn_file_actions_destroy(&value); }
    actions(actions const&) = delete;
    actions& operator=(actions const&) = delete;
    void put(int descriptor, int as) {
        require(::posix_spawn_file_actions_adddup2(&value, descriptor, as), "aya::io: starting a child");
    }
    void open_null(int as, int how) {
        require(::posix_spawn_file_actions_addopen(&value, as, "/dev/null", how, 0), "aya::io: starting a child");
    }
    posix_spawn_file_actions_t value;
};

struct attributes {
    attributes() {
        require(::posix_spawnattr_init(&value), "aya::io: starting a child");
        sigset_t all;
        sigset_t none;
        ::sigfillset(&all);
        ::sigemptyset(&none);
        require(::posix_spawnattr_setsigdefault(&value, &all), "aya::io: starting a child");
        require(::posix_spawnattr_setsigmask(&value, &none), "aya::io: starting a child");
        require(::posix_spawnattr_setflags(&value, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK), "aya::io: starting a child");
    }
    ~attributes() { ::posix_spawnattr_destroy(&value); }
    attributes(attributes const&) = delete;
    attributes& operator=(attributes const&) = delete;
    posix_spawnattr_t value;
};

struct pipe_ends {
    unique_descriptor reading;
    unique_descriptor writing;
};

// Where the parent has closed one of its own standard streams, a pipe would get its number.
unique_descriptor above_standard(unique_descriptor d) {
    if (d.get() > STDERR_FILENO)
        return d;
    unique_descriptor other(::fcntl(d.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!other)
        throw_errno(errno, "aya::io: a pipe for a child");
    return other;
}

pipe_ends new_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        throw_errno(errno, "aya::io: a pipe for a child");
    unique_descriptor reading(ends[0]);
    unique_descriptor writing(ends[1]);
    return {above_standard(std::move(reading)), above_standard(std::move(writing))};
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (std::string& w : words)
        pointers.push_back(w.data());
    pointers.push_back(nullptr);
    return pointers;
}

} // namespace

/// Shared by the handles and by the operation that waits for the end.
class child_core : public std::enable_shared_from_this<child_core> {
public:
    child_core(std::shared_ptr<aya::detail::driver_context> where, pid_t pid, unique_descriptor pidfd)
        : context_(std::move(where)), pid_(pid), pidfd_(*context_) {
        hand_over(std::move(pidfd), pidfd_);
    }

    // The runtime has gone before it was reaped. Its handles have gone before, so that it is being killed, unless that is not allowed.
    ~child_core() {
        if (!reap() && killed_) {
            pollfd end{pidfd_.native_handle(), POLLIN, 0};
            (void)::poll(&end, 1, longest_death);
            (void)reap();
        }
    }
    child_core(child_core const&) = delete;
    child_core& operator=(child_core const&) = delete;

    void watch() {
        pidfd_.async_wait(boost::asio::posix::descriptor_base::wait_read,
                          [self = shared_from_this()](boost::system::error_code const& failed) {
                              if (!failed && !self->reap())
                                  self->watch();
                          });
    }

    /// Without waiting: whether it has ended, which is known from now on. On the runtime's context, or with the last handle gone.
    bool reap() noexcept {
        std::lock_guard const guard(mutex_);
        if (code_)
            return true;
        siginfo_t about{};
        int done = 0;
        do {
            done = ::waitid(pidfd_type, static_cast<id_t>(pidfd_.native_handle()), &about, WEXITED | WNOHANG);
        } while (done != 0 && errno == EINTR);
        if (done == 0 && about.si_pid == 0)
            return false;
        if (done != 0)
            code_ = reaped_elsewhere;
        else
            code_ = about.si_code == CLD_EXITED ? about.si_status : -about.si_status;
        ended.set();
        return true;
    }

    std::optional<int> code() const {
        std::lock_guard const guard(mutex_);
        return code_;
    }

    void signal(int number) {
        std::lock_guard const guard(mutex_);
        if (code_)
            throw_errno(ESRCH, "aya::io::process::send_signal: the process has ended");
        if (::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), number, nullptr, 0) != 0 && errno != ESRCH)
            throw_errno(errno, "aya::io::process::send_signal"); // ESRCH: dead, and not reaped yet
        killed_ = killed_ || number == SIGKILL;
    }

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    std::shared_ptr<connection> standard[3];
    aya::event ended;

private:
    std::shared_ptr<aya::detail::driver_context> const context_; // stays when the runtime goes first
    pid_t const pid_;
    boost::asio::posix::stream_descriptor pidfd_;
    bool killed_ = false; // under the mutex
    mutable std::mutex mutex_;
    std::optional<int> code_;
};

namespace {

/// What the handles share: kills the child when they are gone. The core lives until it is reaped.
std::shared_ptr<child_core> killed_with_its_handles(std::shared_ptr<child_core> core) {
    child_core* const raw = core.get();
    return {raw, [core = std::move(core)](child_core*) mutable {
                for (auto& s : core->standard)
                    s.reset();
                try {
                    core->signal(SIGKILL);
                } catch (std::system_error const&) {
                    // It has ended.
                }
                core.reset();
            }};
}

task<process> start_child(std::vector<std::string> command, subprocess_options options) {
    if (command.empty())
        throw std::invalid_argument("aya::io::create_subprocess_exec: command: it is empty");
    if (options.limit == 0)
        throw std::invalid_argument("aya::io::create_subprocess_exec: limit: it is 0, and has to be at least 1");
    if (options.standard_input == redirect::to_stdout || options.standard_output == redirect::to_stdout)
        throw std::invalid_argument("aya::io::create_subprocess_exec: redirect::to_stdout is for the standard error alone");
    auto& driver = aya::detail::asio_driver::of(aya::detail::this_scheduler("aya::io::create_subprocess_exec").owner());
    actions child;
    redirect const wanted[3] = {options.standard_input, options.standard_output, options.standard_error};
    pipe_ends pipes[3];
    for (int i = 0; i < 3; ++i) {
        if (wanted[i] == redirect::pipe) {
            pipes[i] = new_pipe();
            child.put(i == 0 ? pipes[i].reading.get() : pipes[i].writing.get(), i);
        } else if (wanted[i] == redirect::devnull) {
            child.open_null(i, i == 0 ? O_RDONLY : O_WRONLY);
        }
    }
    if (options.standard_error == redirect::to_stdout)
        child.put(STDOUT_FILENO, STDERR_FILENO);
    if (!options.cwd.empty())
        require(::posix_spawn_file_actions_addchdir_np(&child.value, options.cwd.c_str()), "aya::io: starting a child");
    if (options.close_fds)
        require(::posix_spawn_file_actions_addclosefrom_np(&child.value, STDERR_FILENO + 1), "aya::io: starting a child");
    attributes how;
    std::vector<char*> const words = pointers_to(command);
    std::vector<char*> environment;
    if (options.env)
        environment = pointers_to(*options.env);
    pid_t pid = 0;
    int const error =
        ::posix_spawnp(&pid, words[0], &child.value, &how.value, words.data(), options.env ? environment.data() : ::environ);
    if (error != 0)
        throw std::system_error(error, std::generic_category(), "aya::io::create_subprocess_exec: " + command[0]);
    unique_descriptor pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)));
    std::shared_ptr<child_core> core;
    try {
        if (!pidfd)
            throw_errno(errno, "aya::io: a handle for a child");
        core = std::make_shared<child_core>(driver.shared_context(), pid, std::move(pidfd));
        core->watch();
    } catch (...) {
        // Nobody has waited for it, so the number is its own still.
        ::kill(pid, SIGKILL);
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        throw;
    }
    auto const handle = killed_with_its_handles(std::move(core));
    for (int i = 0; i < 3; ++i)
        if (wanted[i] == redirect::pipe)
            handle->standard[i] = new_connection(std::move(i == 0 ? pipes[i].writing : pipes[i].reading), connection::kind::pipe, options.limit);
    co_return process(handle);
}

task<int> wait_for_end(std::shared_ptr<child_core> child) {
    co_await child->ended.wait();
    co_return *child->code();
}

task<> feed(std::shared_ptr<connection> to, std::string input) {
    if (to == nullptr)
        co_return;
    stream_writer writer(to);
    writer.write(input);
    writer.close();
    try {
        co_await writer.wait_closed();
    } catch (std::system_error const&) {
        // It does not read it.
    }
}

task<std::string> read_everything(std::shared_ptr<connection> from) {
    if (from == nullptr)
        co_return std::string();
    co_return co_await stream_reader(from).read();
}

task<process::output> communicate_with(std::shared_ptr<child_core> child, std::string input) {
    auto all = gather(feed(child->standard[0], std::move(input)), read_everything(child->standard[1]), read_everything(child->standard[2]));
    auto results = co_await std::move(all);
    co_await child->ended.wait();
    co_return process::output(std::move(std::get<1>(results)), std::move(std::get<2>(results)));
}

std::shared_ptr<connection> const& piped(std::shared_ptr<connection> const& c) {
    if (c == nullptr)
        aya::detail::throw_invalid_state("aya::io::process: this stream is no pipe");
    return c;
}

} // namespace

} // namespace aya::inline v1::io::detail

namespace aya::inline v1::io {

std::shared_ptr<detail::child_core> const& process::used() const {
    if (child_ == nullptr)
        aya::detail::throw_invalid_state("aya::io::process: it was moved from");
    return child_;
}

int process::pid() const { return used()->pid(); }
std::optional<int> process::returncode() const { return used()->code(); }
task<int> process::wait() { return detail::wait_for_end(used()); }
task<process::output> process::communicate(std::string input) { return detail::communicate_with(used(), std::move(input)); }
void process::send_signal(int number) { used()->signal(number); }
void process::terminate() { send_signal(SIGTERM); }
void process::kill() { send_signal(SIGKILL); }
stream_writer process::stdin_writer() const { return stream_writer(detail::piped(used()->standard[0])); }
stream_reader process::stdout_reader() const { return stream_reader(detail::piped(used()->standard[1])); }
stream_reader process::stderr_reader() const { return stream_reader(detail::piped(used()->standard[2])); }

task<process> create_subprocess_exec(std::vector<std::string> command, subprocess_options options) {
    return detail::start_child(std::move(command), std::move(options));
}

task<process> create_subprocess_shell(std::string command_line, subprocess_options options) {
    std::vector<std::string> command{"/bin/sh", "-c"};
    command.push_back(std::move(command_line));
    return detail::start_child(std::move(command), std::move(options));
}

} // namespace aya::inline v1::io
