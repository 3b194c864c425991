// SPDX-License-Identifier: Apache-2.0
#include "http/nginx.hpp"

#include "support/harness.hpp"

#include <doctest/doctest.h>

#include <boost/asio.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace test {

namespace {

using boost::asio::ip::tcp;

tcp::endpoint loopback(unsigned short port) { return {boost::asio::ip::address_v4::loopback(), port}; }

unsigned short free_port() {
    boost::asio::io_context io;
    return tcp::acceptor(io, loopback(0)).local_endpoint().port();
}

bool accepts(unsigned short port) {
    boost::asio::io_context io;
    tcp::socket s(io);
    boost::system::error_code failed;
    s.connect(loopback(port), failed);
    return !failed;
}

} // namespace

nginx::nginx() {
    std::string name = (std::filesystem::temp_directory_path() / "aya-nginx-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
    port_ = free_port();
    std::string const make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 "
                             "-addext subjectAltName=IP:127.0.0.1 -keyout " +
                             name + "/key.pem -out " + name + "/certificate.pem 2>/dev/null";
    if (std::system(make.c_str()) != 0 || std::system("PATH=$PATH:/usr/sbin nginx -v 2>/dev/null") != 0) {
        MESSAGE("skipped: nginx or openssl is not installed");
        return;
    }
    std::ofstream(folder_ / "nginx.conf") << "daemon off;\nmaster_process off;\nerror_log " << name << "/error.log;\npid " << name
                                          << "/pid;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path " << name << "/a;\n  proxy_temp_path "
                                          << name << "/b;\n  fastcgi_temp_path " << name << "/c;\n  uwsgi_temp_path " << name
                                          << "/d;\n  scgi_temp_path " << name << "/e;\n  server {\n    listen 127.0.0.1:" << port_
                                          << " ssl http2;\n    ssl_certificate " << name << "/certificate.pem;\n    ssl_certificate_key " << name
                                          << "/key.pem;\n    location / { return 200 \"hello\\n\"; }\n  }\n}\n";
    std::string const configuration = name + "/nginx.conf";
    process_ = ::fork();
    if (process_ == 0) {
        ::setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
        (void)!::freopen("/dev/null", "w", stderr);
        ::execlp("nginx", "nginx", "-c", configuration.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    REQUIRE(test::eventually_outside([&] { return accepts(port_); }));
}

nginx::~nginx() {
    if (process_ > 0) {
        ::kill(process_, SIGTERM);
        ::waitpid(process_, nullptr, 0);
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
}

std::string nginx::tls_url(std::string_view path) const { return "https://127.0.0.1:" + std::to_string(port_) + std::string(path); }

} // namespace test
