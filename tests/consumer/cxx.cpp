// The public headers from C++.
#include <selfpage/selfpage.h>
#include <selfpage/testing.h>

#include <cstring>

int main()
{
    struct sp_attach_options options = {};
    struct sp_testing_options testing = {};
    struct sp_error error = {};
    struct sp_testing *fixture = nullptr;
    struct sp_task *task = nullptr;

    options.contract = "nonsense";
    options.physmem_path = "/nonexistent/socket";
    testing.bindir = "/nonexistent";
    if (sp_attach(&task, &options, &error) == 0 || std::strlen(error.text) == 0)
        return 1;
    if (sp_testing_start(&fixture, &testing, &error) == 0)
        return 1;
    return std::strstr(error.text, "/nonexistent") != nullptr ? 0 : 1;
}
