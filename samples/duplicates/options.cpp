// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <charconv>
#include <limits>

#include <getopt.h>

namespace duplicates {

std::string_view const help_text =
    R"(usage: duplicates [OPTION...] [DIRECTORY or FILE...]

Lists the files below the directories (default: .) that have the same content, a group
of equal files after the other, the largest first, with an empty line between groups.

  -j, --json            one JSON object a group and line: {"size": bytes, "paths": [...]};
                        bytes of a name that are not UTF-8 become \udc80..\udcff
  -0, --null            end each path and each group with a NUL instead of a newline
  -m, --min-size BYTES  leave out smaller files (default 1); K, M, G: KiB, MiB, GiB
  -H, --hard-links      list every name of a file, not one only
      --no-compare      trust the 128-bit hash: do not compare files byte by byte
  -s, --summary         print what was found and left out to standard error
  -v, --verbose         name on standard error whatever is left out
  -w, --workers N       worker threads (default: one for each usable core)
      --loop            the same pipeline as a program on a single event loop runs it:
                        reading and hashing, too, happen on its one thread
      --hash-bits N     look at N bits of the hash only: more files to compare, a test
  -h, --help            this text

Symbolic links are not followed, except those named on the command line. Ctrl-C ends
the search and prints the groups found so far.

Exit status: 0, 1 if a DIRECTORY or FILE could not be reached, 2 for a wrong command
line, 130 if interrupted.
)";

namespace {

[[noreturn]] void wrong(std::string const& what, std::string_view text) {
    throw usage_error(what + ": '" + std::string(text) + "'");
}

std::uint64_t number(std::string_view text, std::string const& what, std::uint64_t limit, bool with_suffix) {
    std::uint64_t value = 0;
    auto const [rest, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    std::string_view const suffix(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    unsigned shift = 0;
    if (with_suffix && suffix.size() == 1) {
        switch (suffix.front()) {
        case 'k':
        case 'K': shift = 10; break;
        case 'M': shift = 20; break;
        case 'G': shift = 30; break;
        default: break;
        }
    }
    if (error != std::errc() || (!suffix.empty() && shift == 0) || value > (limit >> shift)) {
        wrong("invalid " + what, text);
    }
    return value << shift;
}

}  // namespace

options parse_options(int argc, char** argv) {
    enum { no_compare = 256, loop, hash_bits };
    static constexpr char letters[] = ":j0m:Hsvw:h";
    static option const names[] = {{"json", no_argument, nullptr, 'j'},
                                   {"null", no_argument, nullptr, '0'},
                                   {"min-size", required_argument, nullptr, 'm'},
                                   {"hard-links", no_argument, nullptr, 'H'},
                                   {"no-compare", no_argument, nullptr, no_compare},
                                   {"summary", no_argument, nullptr, 's'},
                                   {"verbose", no_argument, nullptr, 'v'},
                                   {"workers", required_argument, nullptr, 'w'},
                                   {"loop", no_argument, nullptr, loop},
                                   {"hash-bits", required_argument, nullptr, hash_bits},
                                   {"help", no_argument, nullptr, 'h'},
                                   {nullptr, 0, nullptr, 0}};
    options chosen;
    opterr = 0;
    for (int letter = 0; (letter = getopt_long(argc, argv, letters, names, nullptr)) != -1;) {
        switch (letter) {
        case 'j': chosen.format = output_format::json; break;
        case '0': chosen.format = output_format::null_terminated; break;
        case 'm':
            chosen.min_size = number(optarg, "size", std::numeric_limits<std::int64_t>::max(), true);
            break;
        case 'H': chosen.hard_links = true; break;
        case no_compare: chosen.compare = false; break;
        case 's': chosen.summary = true; break;
        case 'v': chosen.verbose = true; break;
        case 'w':
            chosen.workers = static_cast<std::size_t>(number(optarg, "number of workers", 1024, false));
            break;
        case loop: chosen.single_loop = true; break;
        case hash_bits:
            chosen.hash_bits = static_cast<unsigned>(number(optarg, "number of bits", 64, false));
            break;
        case 'h': chosen.help = true; break;
        case ':': wrong("argument missing", argv[optind - 1]);
        default: wrong("unknown option", argv[optind - 1]);
        }
    }
    chosen.roots.assign(argv + optind, argv + argc);
    if (chosen.roots.empty()) {
        chosen.roots.emplace_back(".");
    }
    return chosen;
}

}  // namespace duplicates
