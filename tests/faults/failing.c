/* The N-th call of a kind fails: a library to be preloaded (LD_PRELOAD) into a process that is to be let down.
 *
 * Python, SQLite and OpenSSL all reach the kernel through the C library, so that each meets the failure as it
 * would meet the kernel's. Nothing happens before `failing_arm`. Of files only those below one directory
 * count, of sockets all, and of both only what the process itself calls: what the C library does inside one
 * of its functions is one call. Standard output and standard error count as a kind of their own.
 *
 * What was struck first is written to a file at once, so that it is known however the process ends.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Kinds of calls: bits, the same as in fault.py. */
enum {
    OPEN = 1 << 0,      /* a file or directory, to be read */
    CREATE = 1 << 1,    /* a file, to be written */
    READ = 1 << 2,
    WRITE = 1 << 3,
    SYNC = 1 << 4,
    NAME = 1 << 5,      /* mkdir, rename, unlink */
    CHANGE = 1 << 6,    /* length, mode, owner, times */
    LOOK = 1 << 7,      /* stat, access, a directory's entries */
    LOCK = 1 << 8,
    MAP = 1 << 9,
    CLOSE = 1 << 10,
    DUPLICATE = 1 << 11,
    OUTPUT = 1 << 12,   /* standard output and standard error */
    SOCKET = 1 << 13,   /* a new one, and its options */
    RESOLVE = 1 << 14,
    CONNECT = 1 << 15,
    RECEIVE = 1 << 16,
    SEND = 1 << 17,
    WAIT = 1 << 18,
};

/* Faults that are no errno: negative, the same as in fault.py. */
enum { SHORT = -1, END = -2, SILENCE = -3 };

/* Which calls are struck: the N-th, each N-th, or all from the N-th on. The same as in fault.py. */
enum { ONCE = 0, EACH = 1, ON = 2 };

static struct {
    atomic_bool armed;
    unsigned calls;
    long nth;
    int fault;
    int span;
    int after; /* the call does its work, and fails all the same */
    char below[4096];
    char report[4096];
} order;
static atomic_long counted;

void failing_arm(unsigned calls, long nth, int fault, int span, int after, const char *below, const char *report)
{
    order.calls = calls;
    order.nth = nth;
    order.fault = fault;
    order.span = span;
    order.after = after;
    snprintf(order.below, sizeof order.below, "%s", below);
    snprintf(order.report, sizeof order.report, "%s", report);
    order.armed = 1;
}

void failing_disarm(void)
{
    order.armed = 0;
}

/* The system calls of this library itself bypass it. */
static void tell(const char *call, const char *what)
{
    char line[8300];
    int length = snprintf(line, sizeof line, "%s %s\n", call, what);
    long fd = syscall(SYS_openat, AT_FDCWD, order.report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    syscall(SYS_write, fd, line, (long)length);
    syscall(SYS_close, fd);
}

static int due(unsigned kind, const char *call, const char *what)
{
    if (!(kind & order.calls))
        return 0;
    long number = atomic_fetch_add(&counted, 1) + 1;
    if (number < order.nth)
        return 0;
    if (number == order.nth) {
        int saved = errno;
        tell(call, what);
        errno = saved;
        return 1;
    }
    return order.span == ON || (order.span == EACH && number % order.nth == 0);
}

static int is_below(const char *path)
{
    size_t length = strlen(order.below);
    return strncmp(path, order.below, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void path_of(int fd, char *path, size_t size)
{
    char link[64];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlink, link, path, (long)size - 1);
    path[length < 0 ? 0 : length] = '\0';
    errno = saved;
}

/* Whether this call, on a path, is the one. */
static int strikes_at(unsigned kind, const char *call, int dir, const char *path)
{
    char whole[8192];
    if (!order.armed || !path)
        return 0;
    if (path[0] == '/' || dir == AT_FDCWD) {
        snprintf(whole, sizeof whole, "%s", path);
    } else {
        path_of(dir, whole, 4096);
        if (path[0])
            snprintf(whole + strlen(whole), 4096, "/%s", path);
    }
    return is_below(whole) && due(kind, call, whole);
}

/* Whether this call, on a descriptor, is the one: of one kind for a file, of another for a socket. */
static int strikes(unsigned file, unsigned wire, const char *call, int fd)
{
    char path[4096];
    if (!order.armed)
        return 0;
    if (fd == 1 || fd == 2)
        return file == WRITE && due(OUTPUT, call, fd == 1 ? "standard output" : "standard error");
    path_of(fd, path, sizeof path);
    if (strncmp(path, "socket:", 7) == 0)
        return wire && due(wire, call, "socket");
    return file && is_below(path) && due(file, call, path);
}

static int fail(void)
{
    errno = order.fault;
    return -1;
}

#define REAL(name) \
    static __typeof__(name) *real; \
    if (!real) \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* A call that returns -1 when it fails. */
#define PLAIN(type, name, parameters, arguments, strike) \
    type name parameters \
    { \
        REAL(name); \
        if (!(strike)) \
            return real arguments; \
        if (order.after) \
            (void)!real arguments; \
        return fail(); \
    }

/* --- names and descriptors --- */

static int opening(int flags)
{
    return (flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT) ? OPEN : CREATE;
}

#define OPENING(name, dir, parameters, arguments) \
    int name parameters \
    { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & O_CREAT) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        if (!strikes_at(opening(flags), #name, dir, path)) \
            return real arguments; \
        if (order.after) \
            syscall(SYS_close, (long)real arguments); \
        return fail(); \
    }

OPENING(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENING(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
OPENING(openat, dir, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))
OPENING(openat64, dir, (int dir, const char *path, int flags, ...), (dir, path, flags, mode))

PLAIN(int, mkdir, (const char *path, mode_t mode), (path, mode), strikes_at(NAME, "mkdir", AT_FDCWD, path))
PLAIN(int, mkdirat, (int dir, const char *path, mode_t mode), (dir, path, mode),
      strikes_at(NAME, "mkdirat", dir, path))
PLAIN(int, unlink, (const char *path), (path), strikes_at(NAME, "unlink", AT_FDCWD, path))
PLAIN(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags),
      strikes_at(NAME, "unlinkat", dir, path))
PLAIN(int, rename, (const char *path, const char *new), (path, new),
      strikes_at(NAME, "rename", AT_FDCWD, path))
PLAIN(int, renameat, (int dir, const char *path, int to, const char *new), (dir, path, to, new),
      strikes_at(NAME, "renameat", dir, path))
PLAIN(int, chmod, (const char *path, mode_t mode), (path, mode), strikes_at(CHANGE, "chmod", AT_FDCWD, path))
PLAIN(int, utimensat, (int dir, const char *path, const struct timespec times[2], int flags),
      (dir, path, times, flags), strikes_at(CHANGE, "utimensat", dir, path))
PLAIN(int, access, (const char *path, int mode), (path, mode), strikes_at(LOOK, "access", AT_FDCWD, path))
PLAIN(int, faccessat, (int dir, const char *path, int mode, int flags), (dir, path, mode, flags),
      strikes_at(LOOK, "faccessat", dir, path))
PLAIN(int, stat, (const char *path, struct stat *found), (path, found), strikes_at(LOOK, "stat", AT_FDCWD, path))
PLAIN(int, stat64, (const char *path, struct stat64 *found), (path, found),
      strikes_at(LOOK, "stat64", AT_FDCWD, path))
PLAIN(int, lstat, (const char *path, struct stat *found), (path, found),
      strikes_at(LOOK, "lstat", AT_FDCWD, path))
PLAIN(int, lstat64, (const char *path, struct stat64 *found), (path, found),
      strikes_at(LOOK, "lstat64", AT_FDCWD, path))
PLAIN(int, fstatat, (int dir, const char *path, struct stat *found, int flags), (dir, path, found, flags),
      strikes_at(LOOK, "fstatat", dir, path))
PLAIN(int, fstatat64, (int dir, const char *path, struct stat64 *found, int flags), (dir, path, found, flags),
      strikes_at(LOOK, "fstatat64", dir, path))
PLAIN(int, fstat, (int fd, struct stat *found), (fd, found), strikes(LOOK, 0, "fstat", fd))
PLAIN(int, fstat64, (int fd, struct stat64 *found), (fd, found), strikes(LOOK, 0, "fstat64", fd))

/* A descriptor is given back though closing it fails (close(2), errors). */
int close(int fd)
{
    REAL(close);
    int struck = fd > 2 && strikes(CLOSE, 0, "close", fd);
    int result = real(fd);
    return struck ? fail() : result;
}

struct dirent64 *readdir64(DIR *directory)
{
    REAL(readdir64);
    if (!strikes(LOOK, 0, "readdir64", dirfd(directory)))
        return real(directory);
    fail();
    return NULL;
}

/* --- octets --- */

/* A call that moves octets; it may also move one alone, or find the end. */
#define MOVING(name, parameters, arguments, fewer, strike) \
    ssize_t name parameters \
    { \
        REAL(name); \
        if (!(strike)) \
            return real arguments; \
        if (order.fault == SHORT) \
            return real fewer; \
        if (order.fault == END) \
            return 0; \
        if (order.after) \
            (void)!real arguments; \
        return fail(); \
    }

#define ONE (size ? 1 : 0)

MOVING(read, (int fd, void *to, size_t size), (fd, to, size), (fd, to, ONE), strikes(READ, RECEIVE, "read", fd))
MOVING(write, (int fd, const void *from, size_t size), (fd, from, size), (fd, from, ONE),
       strikes(WRITE, SEND, "write", fd))
MOVING(pread, (int fd, void *to, size_t size, off_t at), (fd, to, size, at), (fd, to, ONE, at),
       strikes(READ, 0, "pread", fd))
MOVING(pread64, (int fd, void *to, size_t size, off64_t at), (fd, to, size, at), (fd, to, ONE, at),
       strikes(READ, 0, "pread64", fd))
MOVING(pwrite, (int fd, const void *from, size_t size, off_t at), (fd, from, size, at), (fd, from, ONE, at),
       strikes(WRITE, 0, "pwrite", fd))
MOVING(pwrite64, (int fd, const void *from, size_t size, off64_t at), (fd, from, size, at), (fd, from, ONE, at),
       strikes(WRITE, 0, "pwrite64", fd))
MOVING(recv, (int fd, void *to, size_t size, int flags), (fd, to, size, flags), (fd, to, ONE, flags),
       strikes(0, RECEIVE, "recv", fd))
MOVING(send, (int fd, const void *from, size_t size, int flags), (fd, from, size, flags), (fd, from, ONE, flags),
       strikes(0, SEND, "send", fd))

PLAIN(int, fsync, (int fd), (fd), strikes(SYNC, 0, "fsync", fd))
PLAIN(int, fdatasync, (int fd), (fd), strikes(SYNC, 0, "fdatasync", fd))
PLAIN(int, ftruncate, (int fd, off_t size), (fd, size), strikes(CHANGE, 0, "ftruncate", fd))
PLAIN(int, ftruncate64, (int fd, off64_t size), (fd, size), strikes(CHANGE, 0, "ftruncate64", fd))
PLAIN(int, fchmod, (int fd, mode_t mode), (fd, mode), strikes(CHANGE, 0, "fchmod", fd))
PLAIN(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), strikes(CHANGE, 0, "fchown", fd))
PLAIN(int, flock, (int fd, int how), (fd, how), strikes(LOCK, 0, "flock", fd))

/* EAGAIN says that another has the lock (fcntl(2)): who gives one back is never told so. */
static unsigned controlling(int command, const void *argument)
{
    switch (command) {
    case F_SETLK:
    case F_SETLKW:
        return order.fault == EAGAIN && ((const struct flock *)argument)->l_type == F_UNLCK ? 0 : LOCK;
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return DUPLICATE;
    default:
        return 0;
    }
}

#define CONTROLLING(name) \
    int name(int fd, int command, ...) \
    { \
        REAL(name); \
        va_list rest; \
        va_start(rest, command); \
        void *argument = va_arg(rest, void *); \
        va_end(rest); \
        return strikes(controlling(command, argument), 0, #name, fd) ? fail() : real(fd, command, argument); \
    }

CONTROLLING(fcntl)
CONTROLLING(fcntl64)

#define MAPPING(name, offset) \
    void *name(void *at, size_t size, int access, int flags, int fd, offset from) \
    { \
        REAL(name); \
        if (fd < 0 || !strikes(MAP, 0, #name, fd)) \
            return real(at, size, access, flags, fd, from); \
        fail(); \
        return MAP_FAILED; \
    }

MAPPING(mmap, off_t)
MAPPING(mmap64, off64_t)

/* --- sockets --- */

static int strikes_wire(unsigned kind, const char *call)
{
    return order.armed && due(kind, call, "socket");
}

PLAIN(int, socket, (int family, int kind, int protocol), (family, kind, protocol),
      family != AF_UNIX && strikes_wire(SOCKET, "socket"))
PLAIN(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t size),
      (fd, level, name, value, size), strikes(0, SOCKET, "setsockopt", fd))

/* A signal interrupts the wait alone: the connection is made all the same (connect(2), EINTR). */
int connect(int fd, const struct sockaddr *to, socklen_t size)
{
    REAL(connect);
    if (!strikes(0, CONNECT, "connect", fd))
        return real(fd, to, size);
    if (order.fault == EINTR)
        (void)real(fd, to, size);
    return fail();
}

int poll(struct pollfd *watched, nfds_t count, int timeout)
{
    REAL(poll);
    if (count != 1 || !strikes(0, WAIT, "poll", watched[0].fd))
        return real(watched, count, timeout);
    return order.fault == SILENCE ? 0 : fail();
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
    REAL(getaddrinfo);
    return strikes_wire(RESOLVE, "getaddrinfo") ? EAI_AGAIN : real(host, port, hints, found);
}
