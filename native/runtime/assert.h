// Assertions of a debug build (SHOAL_DEBUG, which `npm run test:native` sets). A release build leaves them out.
#pragma once
#if defined(SHOAL_DEBUG)
#include <stdio.h>
#include <stdlib.h>

#define SHOAL_ASSERT(condition)                                                      \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)
#else
#define SHOAL_ASSERT(condition) ((void)0)
#endif
