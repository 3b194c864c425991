// SPDX-License-Identifier: Apache-2.0
// Names that nobody has, whatever the machine's resolver says of them, and without waiting for one.
#include <string_view>

#include <dlfcn.h>
#include <netdb.h>

namespace {

using resolver = int (*)(char const*, char const*, addrinfo const*, addrinfo**);

} // namespace

extern "C" int getaddrinfo(char const* host, char const* service, addrinfo const* hints, addrinfo** found) {
    static auto const system_resolver = reinterpret_cast<resolver>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    if (host != nullptr && std::string_view(host).ends_with(".invalid"))
        return EAI_NONAME;
    return system_resolver(host, service, hints, found);
}
