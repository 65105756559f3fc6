/* What Swift cannot call in Linux' C interface: GNU-only functions, variadic functions, macros, flexible arrays.
 * Each function returns the call's result, or -errno. */
#pragma once
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Glibc's Swift module is built without _GNU_SOURCE, which hides these. */
extern int fallocate(int fd, int mode, off_t offset, off_t length);
extern long syscall(long number, ...);

enum {
    STORLIB_O_TMPFILE = __O_TMPFILE,
    STORLIB_O_PATH = __O_PATH,
    STORLIB_O_DIRECTORY = O_DIRECTORY,
    STORLIB_AT_EMPTY_PATH = 0x1000,
    STORLIB_FALLOC_FL_KEEP_SIZE = 1,
    STORLIB_FALLOC_FL_PUNCH_HOLE = 2,
    STORLIB_RENAME_NOREPLACE = 1,
    STORLIB_SEEK_DATA = 3,
    STORLIB_SEEK_HOLE = 4,
    STORLIB_FS_NOCOW_FL = 0x00800000,
};

/* Of file systems that linux/magic.h of Linux 6.1 lacks. */
enum { STORLIB_BCACHEFS_MAGIC = 0xca451a4e, STORLIB_ZFS_MAGIC = 0x2fc12fc1 };

static inline long storlib_result(long result) { return result < 0 ? -errno : result; }

static inline int storlib_openat2(int directory, const char *_Nonnull path, int flags, unsigned mode, uint64_t resolve) {
    struct open_how how;
    memset(&how, 0, sizeof how);
    how.flags = (uint64_t)(unsigned)flags;
    how.mode = mode;
    how.resolve = resolve;
    return (int)storlib_result(syscall(SYS_openat2, directory, path, &how, sizeof how));
}
static inline int storlib_open(const char *_Nonnull path, int flags, unsigned mode) {
    return (int)storlib_result(open(path, flags, mode));
}
static inline int storlib_openat(int directory, const char *_Nonnull name, int flags) {
    return (int)storlib_result(openat(directory, name, flags));
}
static inline int storlib_statx(int directory, const char *_Nonnull path, int flags, struct statx *_Nonnull result) {
    return (int)storlib_result(syscall(SYS_statx, directory, path, flags, STATX_BASIC_STATS | STATX_BTIME, result));
}
static inline uint64_t storlib_statx_device(const struct statx *_Nonnull status) {
    return (uint64_t)status->stx_dev_major << 32 | status->stx_dev_minor;
}
static inline int storlib_mkdirat(int directory, const char *_Nonnull path, unsigned mode) {
    return (int)storlib_result(mkdirat(directory, path, mode));
}
static inline int storlib_unlinkat(int directory, const char *_Nonnull path, int flags) {
    return (int)storlib_result(unlinkat(directory, path, flags));
}
static inline int storlib_linkat(int from, const char *_Nonnull old, int to, const char *_Nonnull name, int flags) {
    return (int)storlib_result(linkat(from, old, to, name, flags));
}
static inline int storlib_renameat2(int from, const char *_Nonnull old, int to, const char *_Nonnull name, unsigned flags) {
    return (int)storlib_result(syscall(SYS_renameat2, from, old, to, name, flags));
}
static inline int storlib_symlinkat(const char *_Nonnull target, int directory, const char *_Nonnull name) {
    return (int)storlib_result(symlinkat(target, directory, name));
}
static inline int storlib_fallocate(int fd, int mode, int64_t offset, int64_t length) {
    return (int)storlib_result(fallocate(fd, mode, offset, length));
}
static inline int storlib_ftruncate(int fd, int64_t length) { return (int)storlib_result(ftruncate(fd, length)); }
static inline int storlib_fsync(int fd) { return (int)storlib_result(fsync(fd)); }
static inline int storlib_fchmod(int fd, unsigned mode) { return (int)storlib_result(fchmod(fd, mode)); }
static inline int storlib_fchown(int fd, unsigned owner, unsigned group) {
    return (int)storlib_result(fchown(fd, owner, group));
}
static inline int storlib_flock(int fd, int operation) { return (int)storlib_result(flock(fd, operation)); }
static inline int storlib_close(int fd) { return (int)storlib_result(close(fd)); }
static inline long storlib_pread(int fd, void *_Nonnull buffer, size_t count, int64_t offset) {
    return storlib_result(pread(fd, buffer, count, offset));
}
static inline long storlib_read(int fd, void *_Nonnull buffer, size_t count) {
    return storlib_result(read(fd, buffer, count));
}
static inline long storlib_write(int fd, const void *_Nonnull buffer, size_t count) {
    return storlib_result(write(fd, buffer, count));
}
static inline long storlib_pwrite(int fd, const void *_Nonnull buffer, size_t count, int64_t offset) {
    return storlib_result(pwrite(fd, buffer, count, offset));
}
static inline int64_t storlib_seek(int fd, int64_t offset, int whence) {
    return storlib_result(lseek(fd, offset, whence));
}
static inline long storlib_copy_file_range(int from, int64_t offset, int to, int64_t target, size_t count) {
    return storlib_result(syscall(SYS_copy_file_range, from, &offset, to, &target, count, 0));
}
static inline int storlib_clone(int to, int from) { return (int)storlib_result(ioctl(to, FICLONE, from)); }
static inline int storlib_fdatasync(int fd) { return (int)storlib_result(fdatasync(fd)); }
static inline int storlib_fremovexattr(int fd, const char *_Nonnull name) {
    return (int)storlib_result(fremovexattr(fd, name));
}
static inline int storlib_statvfs(int fd, struct statvfs *_Nonnull result) {
    return (int)storlib_result(fstatvfs(fd, result));
}
static inline int64_t storlib_filesystem_magic(int fd) {
    struct statfs status;
    return fstatfs(fd, &status) < 0 ? -errno : (int64_t)(uint32_t)status.f_type;
}
static inline int storlib_get_inode_flags(int fd, int *_Nonnull flags) {
    return (int)storlib_result(ioctl(fd, FS_IOC_GETFLAGS, flags));
}
static inline int storlib_set_inode_flags(int fd, int flags) {
    return (int)storlib_result(ioctl(fd, FS_IOC_SETFLAGS, &flags));
}
static inline long storlib_fgetxattr(int fd, const char *_Nonnull name, void *_Nullable value, size_t size) {
    return storlib_result(fgetxattr(fd, name, value, size));
}
static inline int storlib_fsetxattr(int fd, const char *_Nonnull name, const void *_Nonnull value, size_t size) {
    return (int)storlib_result(fsetxattr(fd, name, value, size, 0));
}

/* struct fiemap ends with a flexible array; one call gives this many extents. */
enum { STORLIB_EXTENT_COUNT = 128 };
struct storlib_extents {
    struct fiemap header;
    struct fiemap_extent extents[STORLIB_EXTENT_COUNT];
};
static inline int storlib_extents(int fd, uint64_t offset, uint64_t length, struct storlib_extents *_Nonnull result) {
    memset(&result->header, 0, sizeof result->header);
    result->header.fm_start = offset;
    result->header.fm_length = length;
    result->header.fm_flags = FIEMAP_FLAG_SYNC;
    result->header.fm_extent_count = STORLIB_EXTENT_COUNT;
    int status = (int)storlib_result(ioctl(fd, FS_IOC_FIEMAP, result));
    return status < 0 ? status : (int)result->header.fm_mapped_extents;
}
static inline struct fiemap_extent storlib_extent(const struct storlib_extents *_Nonnull extents, int index) {
    return extents->extents[index];
}
static inline int storlib_is_zero(const unsigned char *_Nonnull bytes, size_t count) {
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}
static inline int storlib_drop_cache(int fd) { return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); }
static inline long storlib_random(void *_Nonnull buffer, size_t count) {
    return storlib_result(getrandom(buffer, count, 0));
}
static inline long storlib_readlink(const char *_Nonnull path, char *_Nonnull buffer, size_t size) {
    return storlib_result(readlink(path, buffer, size));
}
static inline int storlib_poll_one(int fd, short events, int milliseconds) {
    struct pollfd file = {.fd = fd, .events = events};
    return (int)storlib_result(poll(&file, 1, milliseconds));
}

/* The signals with which a user or the system ends a program, kept from every thread that is made later. */
static inline sigset_t storlib_ending_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    return signals;
}
static inline void storlib_block_ending_signals(int blocked) {
    sigset_t signals = storlib_ending_signals();
    pthread_sigmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &signals, NULL);
}
static inline int storlib_wait_for_ending_signal(void) {
    sigset_t signals = storlib_ending_signals();
    int signal = 0;
    return sigwait(&signals, &signal) == 0 ? signal : 0;
}

static inline void storlib_end_by(int number) {
    signal(number, SIG_DFL);
    raise(number);
}

/* Whether the program has CAP_SYS_ADMIN. */
static inline int storlib_is_administrator(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, data) < 0) return -errno;
    return (data[0].effective >> CAP_SYS_ADMIN) & 1;
}

/* struct linux_dirent64 ends with a flexible array. */
static inline long storlib_getdents(int fd, void *_Nonnull buffer, size_t size) {
    return storlib_result(syscall(SYS_getdents64, fd, buffer, size));
}
static inline uint16_t storlib_dirent_length(const unsigned char *_Nonnull entry) {
    uint16_t length;
    memcpy(&length, entry + 16, sizeof length);
    return length;
}
static inline uint8_t storlib_dirent_type(const unsigned char *_Nonnull entry) { return entry[18]; }
static inline const char *_Nonnull storlib_dirent_name(const unsigned char *_Nonnull entry) {
    return (const char *)entry + 19;
}

static inline int storlib_inotify_init(void) { return (int)storlib_result(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)); }
static inline int storlib_inotify_add_watch(int fd, const char *_Nonnull path, uint32_t mask) {
    return (int)storlib_result(inotify_add_watch(fd, path, mask));
}
static inline int storlib_inotify_rm_watch(int fd, int watch) {
    return (int)storlib_result(inotify_rm_watch(fd, watch));
}
static inline int storlib_eventfd(void) { return (int)storlib_result(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }
static inline int storlib_poll(struct pollfd *_Nonnull files, unsigned long count, int milliseconds) {
    return (int)storlib_result(poll(files, count, milliseconds));
}
static inline int storlib_sem_timedwait(sem_t *_Nonnull semaphore, const struct timespec *_Nonnull deadline) {
    return (int)storlib_result(sem_timedwait(semaphore, deadline));
}
static inline int storlib_terminal_columns(int fd) {
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) < 0 ? -errno : size.ws_col;
}
static inline int storlib_duplicate(int fd) { return (int)storlib_result(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }
