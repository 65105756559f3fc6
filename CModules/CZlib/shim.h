/* zlib's functions that begin a stream are macros. */
#pragma once
#include <string.h>
#include <zlib.h>

static inline int storlib_inflate_init(z_stream *_Nonnull stream, int window_bits) {
    memset(stream, 0, sizeof *stream);
    return inflateInit2(stream, window_bits);
}
static inline int storlib_deflate_init(z_stream *_Nonnull stream, int level, int window_bits) {
    memset(stream, 0, sizeof *stream);
    return deflateInit2(stream, level, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY);
}
