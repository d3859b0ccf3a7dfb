/* Preloaded into a process: writes down, in order, every call that changes what lies below one directory.
 *
 * Nothing is ever synced for real: a sync is a line in the trace. `recording_fail` lets one sync fail as a
 * disk would have it: EIO once, what was written to the file since its last sync gone, from the cache too,
 * and the next sync says that all is well. `recording_die` kills the process in place of a sync.
 *
 * A record is a line of fields parted by tabs; after a write's line come its octets.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))real(#name))
#define LONGEST (2 * PATH_MAX + 200)

static pthread_mutex_t one_at_a_time = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static char root[PATH_MAX];
static int trace = -1;
static long fail_at = 0, die_at = 0, syncs = 0;

struct undo {
    ino_t inode;
    off_t offset;
    size_t length;
    char *before;
    struct undo *next;
};
static struct undo *undos = NULL;

static void *real(const char *name) {
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) abort();
    return found;
}

static void put(const void *octets, size_t length) {
    while (length > 0) {
        ssize_t done = REAL(write)(trace, octets, length);
        if (done <= 0) abort();
        octets = (const char *)octets + done;
        length -= (size_t)done;
    }
}

static void say(const char *format, ...) {
    char line[LONGEST];
    va_list fields;
    va_start(fields, format);
    int length = vsnprintf(line, sizeof line, format, fields);
    va_end(fields);
    if (length < 0 || (size_t)length >= sizeof line) abort();
    put(line, (size_t)length);
}

static int below(const char *path) {
    size_t length = strlen(root);
    return trace >= 0 && strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

/* The directory's own path and the last name, as the kernel sees them; whether that is below the root. */
static int place_of(int dir, const char *path, char *full) {
    int saved = errno, inside = 0;
    char parent[PATH_MAX], resolved[PATH_MAX];
    const char *name = strrchr(path, '/');
    if (trace < 0) return 0;
    if (name == NULL) snprintf(parent, sizeof parent, ".");
    else snprintf(parent, sizeof parent, "%.*s/.", (int)(name - path), path);
    int fd = REAL(openat)(dir, parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        if (path_of(fd, resolved)) {
            int length = snprintf(full, PATH_MAX, "%s/%s", resolved, name == NULL ? path : name + 1);
            inside = length > 0 && length < PATH_MAX;
        }
        REAL(close)(fd);
    }
    errno = saved;
    return inside;
}

/* A file without a name is gone after a power cut. */
static int file_of(int fd, struct stat *found) {
    char path[PATH_MAX];
    int saved = errno;
    int inside = trace >= 0 && fd != trace && fstat(fd, found) == 0 && S_ISREG(found->st_mode) && found->st_nlink > 0 &&
                 path_of(fd, path);
    errno = saved;
    return inside;
}

static void keep(int fd, struct stat *found, off_t offset, size_t length) {
    if (fail_at == 0) return;
    char link[64];
    struct undo *undo = calloc(1, sizeof *undo);
    *undo = (struct undo){found->st_ino, offset, length, calloc(1, length), undos};
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int reader = REAL(open)(link, O_RDONLY | O_CLOEXEC);
    if (reader < 0 || pread(reader, undo->before, length, offset) < 0) abort();
    REAL(close)(reader);
    undos = undo;
}

static void forget(int fd, ino_t inode, int put_back) {
    for (struct undo **at = &undos; *at != NULL;) {
        struct undo *undo = *at;
        if (undo->inode != inode) {
            at = &undo->next;
            continue;
        }
        if (put_back && REAL(pwrite)(fd, undo->before, undo->length, undo->offset) < 0) abort();
        *at = undo->next;
        free(undo->before);
        free(undo);
    }
}

/* The offset is -1 for "where the descriptor stands". */
static ssize_t written(int fd, const void *octets, size_t length, off_t offset) {
    struct stat found;
    if (!file_of(fd, &found)) {
        return offset < 0 ? REAL(write)(fd, octets, length) : REAL(pwrite)(fd, octets, length, offset);
    }
    pthread_mutex_lock(&one_at_a_time);
    int appends = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    off_t start = appends ? found.st_size : offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
    keep(fd, &found, start, length);
    ssize_t done = offset < 0 ? REAL(write)(fd, octets, length) : REAL(pwrite)(fd, octets, length, offset);
    int saved = errno;
    if (done > 0) {
        say("write\t%lu\t%ld\t%zd\n", (unsigned long)found.st_ino, (long)start, done);
        put(octets, (size_t)done);
    }
    errno = saved;
    pthread_mutex_unlock(&one_at_a_time);
    return done;
}

ssize_t write(int fd, const void *octets, size_t length) { return written(fd, octets, length, -1); }
ssize_t pwrite(int fd, const void *octets, size_t length, off_t at) { return written(fd, octets, length, at); }
ssize_t pwrite64(int fd, const void *octets, size_t length, off_t at) { return written(fd, octets, length, at); }

static int opened(int dir, const char *path, int flags, mode_t mode) {
    char full[PATH_MAX];
    struct stat before, after;
    if (!(flags & (O_CREAT | O_TRUNC)) || !place_of(dir, path, full)) return REAL(openat)(dir, path, flags, mode);
    pthread_mutex_lock(&one_at_a_time);
    int there = fstatat(dir, path, &before, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) == 0;
    int fd = REAL(openat)(dir, path, flags, mode);
    int saved = errno;
    if (fd >= 0 && fstat(fd, &after) == 0) {
        if (!there) say("create\t%s\t%lu\n", full, (unsigned long)after.st_ino);
        else if (flags & O_TRUNC) say("truncate\t%lu\t0\n", (unsigned long)after.st_ino);
    }
    errno = saved;
    pthread_mutex_unlock(&one_at_a_time);
    return fd;
}

static mode_t mode_in(int flags, va_list rest) { return flags & O_CREAT ? va_arg(rest, mode_t) : 0; }

#define OPEN(name, ...)                                                                                      \
    va_list rest;                                                                                            \
    va_start(rest, flags);                                                                                   \
    mode_t mode = mode_in(flags, rest);                                                                      \
    va_end(rest);                                                                                            \
    return opened(__VA_ARGS__, flags, mode);

int open(const char *path, int flags, ...) { OPEN(open, AT_FDCWD, path) }
int open64(const char *path, int flags, ...) { OPEN(open64, AT_FDCWD, path) }
int openat(int dir, const char *path, int flags, ...) { OPEN(openat, dir, path) }
int openat64(int dir, const char *path, int flags, ...) { OPEN(openat64, dir, path) }

static int shortened(int fd, off_t size) {
    struct stat found;
    int ours = file_of(fd, &found);
    pthread_mutex_lock(&one_at_a_time);
    int result = REAL(ftruncate)(fd, size);
    if (ours && result == 0) say("truncate\t%lu\t%ld\n", (unsigned long)found.st_ino, (long)size);
    pthread_mutex_unlock(&one_at_a_time);
    return result;
}

int ftruncate(int fd, off_t size) { return shortened(fd, size); }
int ftruncate64(int fd, off_t size) { return shortened(fd, size); }

int posix_fallocate64(int fd, off_t offset, off_t length) {
    struct stat found;
    int ours = file_of(fd, &found);
    pthread_mutex_lock(&one_at_a_time);
    int error = REAL(posix_fallocate64)(fd, offset, length);
    if (ours && error == 0 && offset + length > found.st_size)
        say("truncate\t%lu\t%ld\n", (unsigned long)found.st_ino, (long)(offset + length));
    pthread_mutex_unlock(&one_at_a_time);
    return error;
}
int posix_fallocate(int fd, off_t offset, off_t length) { return posix_fallocate64(fd, offset, length); }

static int synced(int fd) {
    struct stat found;
    char path[PATH_MAX];
    if (trace < 0 || fstat(fd, &found) != 0 || !path_of(fd, path)) return 0;
    pthread_mutex_lock(&one_at_a_time);
    int failed = ++syncs == fail_at;
    if (syncs == die_at) kill(getpid(), SIGKILL);
    if (S_ISDIR(found.st_mode)) say("%s\t%s\n", failed ? "sync-names-failed" : "sync-names", path);
    else {
        say("%s\t%lu\n", failed ? "sync-failed" : "sync", (unsigned long)found.st_ino);
        forget(fd, found.st_ino, failed);
    }
    pthread_mutex_unlock(&one_at_a_time);
    errno = EIO;
    return failed ? -1 : 0;
}

int fsync(int fd) { return synced(fd); }
int fdatasync(int fd) { return synced(fd); }

/* The octets of a call on names: `line` has a place for each path that lies below the root. */
#define NAMES(inside, call, ...)                                                                             \
    pthread_mutex_lock(&one_at_a_time);                                                                      \
    int recorded = (inside);                                                                                 \
    int result = call;                                                                                       \
    int saved = errno;                                                                                       \
    if (recorded && result == 0) say(__VA_ARGS__);                                                           \
    errno = saved;                                                                                           \
    pthread_mutex_unlock(&one_at_a_time);                                                                    \
    return result;

int mkdirat(int dir, const char *path, mode_t mode) {
    char full[PATH_MAX];
    NAMES(place_of(dir, path, full), REAL(mkdirat)(dir, path, mode), "mkdir\t%s\n", full)
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int unlinkat(int dir, const char *path, int flags) {
    char full[PATH_MAX];
    NAMES(place_of(dir, path, full), REAL(unlinkat)(dir, path, flags), "unlink\t%s\n", full)
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int renameat(int from, const char *path, int to, const char *new) {
    char full[PATH_MAX], other[PATH_MAX];
    NAMES(place_of(from, path, full) && place_of(to, new, other), REAL(renameat)(from, path, to, new),
          "rename\t%s\t%s\n", full, other)
}
int rename(const char *path, const char *new) { return renameat(AT_FDCWD, path, AT_FDCWD, new); }

/* What the model does not know must not pass unseen. */
#define UNKNOWN(type, call, given, ...)                                                                      \
    type call(__VA_ARGS__) {                                                                                 \
        if (trace < 0) return REAL(call) given;                                                              \
        fprintf(stderr, "cannot record " #call "\n");                                                        \
        abort();                                                                                             \
    }
UNKNOWN(int, linkat, (from, path, to, new, flags), int from, const char *path, int to, const char *new, int flags)
UNKNOWN(int, link, (path, new), const char *path, const char *new)
UNKNOWN(int, symlinkat, (target, dir, path), const char *target, int dir, const char *path)
UNKNOWN(int, renameat2, (from, path, to, new, flags), int from, const char *path, int to, const char *new, unsigned flags)
UNKNOWN(int, truncate64, (path, size), const char *path, off_t size)
UNKNOWN(ssize_t, writev, (fd, parts, count), int fd, const struct iovec *parts, int count)
UNKNOWN(ssize_t, pwritev64, (fd, parts, count, at), int fd, const struct iovec *parts, int count, off_t at)

/* Called by the recorded program. */
void recording_begin(const char *directory, const char *file) {
    snprintf(root, sizeof root, "%s", directory);
    trace = REAL(open)(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (trace < 0) abort();
    fail_at = die_at = syncs = 0;
}

void recording_mark(const char *text) {
    if (trace >= 0) say("mark\t%s\n", text);
}

void recording_fail(long sync) {
    fail_at = sync;
    syncs = 0;
}

void recording_die(long sync) {
    die_at = sync;
    syncs = 0;
}

void recording_end(void) {
    REAL(close)(trace);
    trace = -1;
}
