// Copying and clearing of any number of bytes.
#pragma once
#include <stddef.h>
#include <string.h>

/** Does nothing for 0 bytes, when either pointer may be null: memcpy does not allow that. */
static inline void copyBytes(void* to, const void* from, ptrdiff_t bytes) {
  if (bytes > 0) memcpy(to, from, (size_t)bytes);
}

/** Sets bytes to 0; does nothing for 0 bytes, when the pointer may be null: memset does not allow that. */
static inline void clearBytes(void* data, ptrdiff_t bytes) {
  if (bytes > 0) memset(data, 0, (size_t)bytes);
}
