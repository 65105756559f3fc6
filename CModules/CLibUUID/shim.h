#pragma once
#include <uuid/uuid.h>

/* `const uuid_t` parameters import as UnsafePointer<UInt8>, `char *name` wants a mutable pointer: say const. */
static inline void storlib_uuid_generate_sha1(unsigned char *_Nonnull result, const unsigned char *_Nonnull name_space,
                                              const char *_Nonnull name, size_t length) {
    uuid_generate_sha1(result, name_space, name, length);
}
