#include "pool.h"

#include "memory.h"

#include <stdlib.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

// Leaked on purpose: workers may still wait on it while the process exits.
struct Pool {
  std::mutex mutex;
  std::condition_variable wake;
  std::vector<std::thread> workers;
  int wanted = 1;

  // One job at a time. `generation` tells workers that there is a new one.
  TaskFunction run = nullptr;
  void* context = nullptr;
  ptrdiff_t tasks = 0;
  std::atomic<ptrdiff_t> next{0};
  std::atomic<int> inside{0};  // workers that may still touch this job
  std::atomic<unsigned> generation{0};
  std::atomic<int> active{0};  // how many workers take part; the rest sleep

  void work() {
    for (;;) {
      const ptrdiff_t task = next.fetch_add(1, std::memory_order_relaxed);
      if (task >= tasks) return;
      run(context, task);
    }
  }
};

Pool* pool() {
  static Pool* instance = new Pool;
  return instance;
}

inline void pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

constexpr int kSpins = 4000;  // about 50 µs: longer than the gap between two kernels of a step

void workerLoop(int index) {
  Pool& p = *pool();
  unsigned seen = 0;
  for (;;) {
    int spins = 0;
    while (p.generation.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) {
        pause();
        continue;
      }
      std::unique_lock<std::mutex> lock(p.mutex);
      p.wake.wait(lock, [&] { return p.generation.load(std::memory_order_acquire) != seen; });
    }
    // Join the job only while it is open: `inside` is negative between jobs.
    int inside = p.inside.load(std::memory_order_acquire);
    while (inside >= 0 && !p.inside.compare_exchange_weak(inside, inside + 1, std::memory_order_acq_rel)) {
    }
    seen = p.generation.load(std::memory_order_acquire);
    if (inside < 0) continue;
    if (index < p.active.load(std::memory_order_acquire)) p.work();
    p.inside.fetch_sub(1, std::memory_order_acq_rel);
  }
}

constexpr int kClosed = -1000000;

}  // namespace

void setThreads(int count) {
  if (count < 1) count = 1;
  if (count > 256) count = 256;
  pool()->wanted = count;
}

int threads() { return pool()->wanted; }

void parallelRun(ptrdiff_t tasks, TaskFunction run, void* context) {
  Pool& p = *pool();
  if (p.wanted == 1) {
    for (ptrdiff_t task = 0; task < tasks; task++) run(context, task);
    return;
  }
  if (p.workers.empty()) p.inside.store(kClosed);
  while ((int)p.workers.size() < p.wanted - 1) {
    const int index = (int)p.workers.size();
    p.workers.emplace_back(workerLoop, index);
    p.workers.back().detach();
  }
  p.run = run;
  p.context = context;
  p.tasks = tasks;
  p.next.store(0, std::memory_order_relaxed);
  p.active.store(p.wanted - 1, std::memory_order_relaxed);
  p.inside.store(0, std::memory_order_release);  // open
  {
    std::lock_guard<std::mutex> wakeLock(p.mutex);
    p.generation.fetch_add(1, std::memory_order_release);
  }
  p.wake.notify_all();
  p.work();
  // Close the job once nobody is inside: late workers find it closed and go on waiting.
  int expected = 0;
  while (!p.inside.compare_exchange_weak(expected, kClosed, std::memory_order_acq_rel)) {
    expected = 0;
    pause();
  }
}

namespace {

// From here on a buffer gets huge pages: products walk over it in long strides.
constexpr size_t kLarge = (size_t)256 << 10, kHugePage = (size_t)2 << 20;

struct Buffer {
  Block block{nullptr, 0, false};
  void* take(size_t wanted) {
    if (wanted > block.bytes) {
      freeBlock(block);
      const size_t roomy = (wanted + wanted / 4 + 4095) / 4096 * 4096;
      block = allocateBlock(wanted >= kLarge && roomy < kHugePage ? kHugePage : roomy);
      if (!block.data) abort();
    }
    return block.data;
  }
};
thread_local Buffer own[8];
Buffer shared[8];
}  // namespace

void* scratch(int slot, size_t bytes) { return own[slot].take(bytes); }
void* sharedScratch(int slot, size_t bytes) { return shared[slot].take(bytes); }
