// Aligned memory and mapped files for ArrayBuffers.
#pragma once
#include <stddef.h>

struct Block {
  void* data;
  size_t bytes;
  bool mapped;
};

/** Zeroed memory: on 2 MB borders and huge pages from 1 MB on, else on 64-byte borders. data is null where there is none to be had. */
Block allocateBlock(size_t bytes);
/** Maps a file privately: written pages never reach it. On failure data is null and errno says why. An empty file has data null and bytes 0 with errno 0. */
Block mapFileBlock(const char* path);
/** Lets the system drop the whole pages from `from` to `to` of a mapped file. They are read again when touched; what was written to them is lost. */
void releasePages(void* from, void* to);
void freeBlock(const Block& block);
