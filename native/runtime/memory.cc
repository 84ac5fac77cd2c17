#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace {
constexpr size_t kHuge = (size_t)2 << 20;
size_t roundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }
}  // namespace

Block allocateBlock(size_t bytes) {
  if (bytes < kHuge / 2) {
    void* data = nullptr;
    const size_t size = roundUp(bytes ? bytes : 1, 64);
    if (posix_memalign(&data, 64, size) != 0) return {nullptr, 0, false};
    memset(data, 0, size);
    return {data, bytes, false};
  }
  // Pages straight from the system are zero; a little more than asked for leaves room to begin on a 2 MB border.
  const size_t size = roundUp(bytes, kHuge);
  char* raw = (char*)mmap(nullptr, size + kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
  if (raw == (char*)MAP_FAILED) return {nullptr, 0, true};
  char* data = (char*)roundUp((size_t)raw, kHuge);
  if (data > raw) munmap(raw, (size_t)(data - raw));
  const size_t tail = (size_t)(raw + size + kHuge - (data + size));
  if (tail) munmap(data + size, tail);
#ifdef MADV_HUGEPAGE
  madvise(data, size, MADV_HUGEPAGE);
#endif
  return {data, size, true};
}

Block mapFileBlock(const char* path) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {nullptr, 0, true};
  struct stat info;
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    const int why = S_ISDIR(info.st_mode) ? EISDIR : errno ? errno : EINVAL;
    close(file);
    errno = why;
    return {nullptr, 0, true};
  }
  if (info.st_size == 0) {
    close(file);
    errno = 0;
    return {nullptr, 0, true};
  }
  void* data = mmap(nullptr, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  const int why = errno;
  close(file);
  errno = why;
  if (data == MAP_FAILED) return {nullptr, 0, true};
  return {data, (size_t)info.st_size, true};
}

void releasePages(void* from, void* to) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char* first = (char*)roundUp((size_t)from, page);
  char* last = (char*)((size_t)to / page * page);
  if (last > first) madvise(first, (size_t)(last - first), MADV_DONTNEED);
}

void freeBlock(const Block& block) {
  if (block.mapped) munmap(block.data, block.bytes);
  else free(block.data);
}
