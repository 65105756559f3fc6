#define _GNU_SOURCE
#include "CBenchmarks.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int synchronizes = 1;

void benchmarks_synchronize(int yes) { synchronizes = yes; }

/* A program's own functions come before those of the C library. */
int fsync(int fd) { return synchronizes ? (int)syscall(SYS_fsync, fd) : 0; }
int fdatasync(int fd) { return synchronizes ? (int)syscall(SYS_fdatasync, fd) : 0; }

struct listing {
    int directory;
    char **names;
    int count;
    atomic_int next;
};

static void *read_files(void *argument) {
    struct listing *listing = argument;
    char buffer[4096];
    struct statx status;
    for (;;) {
        int first = atomic_fetch_add(&listing->next, 64);
        if (first >= listing->count) return NULL;
        for (int index = first; index < first + 64 && index < listing->count; index++) {
            int fd = openat(listing->directory, listing->names[index], O_RDONLY | O_NONBLOCK | O_CLOEXEC);
            if (fd < 0) continue;
            statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &status);
            if (pread(fd, buffer, sizeof buffer, 0) < 0) buffer[0] = 0;
            close(fd);
        }
    }
}

static int read_names(DIR *directory, struct listing *listing) {
    int capacity = 0;
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.') continue;
        if (listing->count == capacity) {
            capacity = capacity ? 2 * capacity : 1024;
            char **grown = realloc(listing->names, (size_t)capacity * sizeof *grown);
            if (!grown) return -ENOMEM;
            listing->names = grown;
        }
        listing->names[listing->count++] = strdup(entry->d_name);
    }
    return 0;
}

static void free_names(struct listing *listing) {
    for (int index = 0; index < listing->count; index++) free(listing->names[index]);
    free(listing->names);
}

int benchmarks_read_directory(const char *path, int threads) {
    DIR *directory = opendir(path);
    if (!directory) return -errno;
    struct listing listing = {.directory = dirfd(directory)};
    int result = read_names(directory, &listing);
    if (result == 0) {
        pthread_t helpers[16];
        int started = 0;
        while (started < threads - 1 && started < 16 && !pthread_create(&helpers[started], NULL, read_files, &listing))
            started++;
        read_files(&listing);
        for (int index = 0; index < started; index++) pthread_join(helpers[index], NULL);
        result = listing.count;
    }
    free_names(&listing);
    closedir(directory);
    return result;
}

int benchmarks_drop_pages(const char *path) {
    DIR *directory = opendir(path);
    if (!directory) return -errno;
    struct listing listing = {.directory = dirfd(directory)};
    int result = read_names(directory, &listing);
    for (int index = 0; result == 0 && index < listing.count; index++) {
        int fd = openat(listing.directory, listing.names[index], O_RDONLY | O_CLOEXEC);
        if (fd < 0) continue;
        syscall(SYS_fdatasync, fd);
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        close(fd);
    }
    if (result == 0) result = listing.count;
    free_names(&listing);
    closedir(directory);
    return result;
}
