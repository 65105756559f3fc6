/* What is compared with, and what must be left out of a comparison. */
#pragma once

/* Opens, looks at, reads 4 KiB of and closes every file of a directory, on so many threads; the number of files, or -errno. */
int benchmarks_read_directory(const char *_Nonnull path, int threads);

/* Whether fsync and fdatasync do something, in this program; qemu-img's conversions do not wait for the disk either. */
void benchmarks_synchronize(int yes);

/* Throws what is in memory of each file of a directory away. */
int benchmarks_drop_pages(const char *_Nonnull path);
