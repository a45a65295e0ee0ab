/* To be preloaded into a server: it sleeps each time that much arrives at once, as a server does that works on it for long. */
#undef _FORTIFY_SOURCE /* with which recv is an inline function */
#include <dlfcn.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>

#define MUCH     1024 /* bytes */
#define SLEEP_NS 8000000

static ssize_t come(ssize_t received)
{
    struct timespec time = {.tv_nsec = SLEEP_NS};

    if (received >= MUCH)
        nanosleep(&time, NULL);
    return received;
}

ssize_t recv(int fd, void *buffer, size_t size, int flags)
{
    static ssize_t (*next)(int fd, void *buffer, size_t size, int flags);

    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "recv");
    return come(next(fd, buffer, size, flags));
}

ssize_t recvmsg(int fd, struct msghdr *header, int flags)
{
    static ssize_t (*next)(int fd, struct msghdr *header, int flags);

    if (next == NULL)
        *(void **)&next = dlsym(RTLD_NEXT, "recvmsg");
    return come(next(fd, header, flags));
}
