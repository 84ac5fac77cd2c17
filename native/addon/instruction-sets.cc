#include "addon/instruction-sets.h"

#include <string.h>

#include <initializer_list>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(SHOAL_X86)
#include <cpuid.h>
#endif

// Each instruction set's kernels stand in a namespace of its own.
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
#define SHOAL_ENTRY(function, Struct, Result) called<call::Struct, function>,
#define SHOAL_NO_ENTRY(function, Struct, Result) nullptr,
#define SHOAL_SET(isa, declareTiles, enterTiles)        \
  namespace isa {                                       \
  SHOAL_KERNELS(SHOAL_DECLARE)                          \
  SHOAL_TILE_KERNELS(declareTiles)                      \
  static const KernelFunction kernels[kKernels] = {     \
      SHOAL_KERNELS(SHOAL_ENTRY)                        \
      SHOAL_TILE_KERNELS(enterTiles)                    \
  };                                                    \
  }

template <class Call, void (*kernel)(const Call&)>
static double called(const void* call) {
  kernel(*(const Call*)call);
  return 0;
}
template <class Call, double (*kernel)(const Call&)>
static double called(const void* call) {
  return kernel(*(const Call*)call);
}

#define SHOAL_NOTHING(function, Struct, Result)
SHOAL_SET(portable, SHOAL_NOTHING, SHOAL_NO_ENTRY)
#if defined(SHOAL_X86)
SHOAL_SET(avx2, SHOAL_NOTHING, SHOAL_NO_ENTRY)
SHOAL_SET(avx512, SHOAL_NOTHING, SHOAL_NO_ENTRY)
SHOAL_SET(amx, SHOAL_DECLARE, SHOAL_ENTRY)
SHOAL_SET(amx_emulated, SHOAL_DECLARE, SHOAL_ENTRY)
#endif

namespace {

#if defined(SHOAL_X86)
struct Features {
  bool avx2 = false, avx512 = false, amx = false;
};

uint64_t xcr0() {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

Features detect() {
  Features f;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  const bool osxsave = c >> 27 & 1, fma = c >> 12 & 1, f16c = c >> 29 & 1;
  if (!osxsave) return f;
  const uint64_t saved = xcr0();
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return f;
  const bool avx2 = b >> 5 & 1;
  const bool avx512 = (b >> 16 & 1) && (b >> 17 & 1) && (b >> 30 & 1) && (b >> 31 & 1) && (c >> 11 & 1);  // F DQ BW VL VNNI
  const bool tiles = (d >> 22 & 1) && (d >> 24 & 1);                                                       // AMX-BF16 AMX-TILE
  unsigned a1 = 0, b1, c1, d1;
  if (!__get_cpuid_count(7, 1, &a1, &b1, &c1, &d1)) a1 = 0;
  const bool bf16 = a1 >> 5 & 1;
  f.avx2 = avx2 && fma && f16c && (saved & 6) == 6;
  f.avx512 = f.avx2 && avx512 && bf16 && (saved & 0xe6) == 0xe6;
  f.amx = f.avx512 && tiles && (saved & 0x60000) == 0x60000;
#if defined(__linux__)
  // Linux gives the tile registers to a process that asks for them (ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA).
  if (f.amx) f.amx = syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
  f.amx = false;
#endif
  return f;
}
#endif

/** A small product through the set's own kernels: a set that gets it wrong (a broken emulator, a miscompiled tile) is not offered. */
bool multipliesRight(const InstructionSet& set) {
  constexpr int M = 37, N = 45, K = 70;
  static float a[M * K], b[N * K], out[M * N];
  for (int i = 0; i < M * K; i++) a[i] = (float)((i * 7) % 11 - 5);
  for (int i = 0; i < N * K; i++) b[i] = (float)((i * 5) % 13 - 6);
  int matmul = 0;
  while (strcmp(kLayouts[matmul].name, "matmul") != 0) matmul++;
  call::Matmul p{};
  p.out = out, p.a = {a, Dtype::f32}, p.b = {b, Dtype::f32}, p.bT = true;
  p.M = M, p.N = N, p.K = K, p.lda = K, p.ldb = K, p.ldo = N;
  p.batch.count = 1;
  for (auto precision : {p.kF32, p.kBf16}) {
    p.precision = precision;
    set.kernels[matmul](&p);
    for (int m = 0; m < M; m++) {
      for (int n = 0; n < N; n++) {
        float sum = 0;  // small whole numbers: exact in bf16 and in every order
        for (int k = 0; k < K; k++) sum += a[m * K + k] * b[n * K + k];
        if (out[m * N + n] != sum) return false;
      }
    }
  }
  return true;
}

}  // namespace

InstructionSet sets[kMaxSets];
int setCount = 0;

void findSets() {
  if (setCount) return;
  sets[setCount++] = {"portable", portable::kernels, true, false};
#if defined(SHOAL_X86)
  const Features f = detect();
  sets[setCount++] = {"avx2", avx2::kernels, f.avx2, false};
  sets[setCount++] = {"avx512", avx512::kernels, f.avx512, false};
  sets[setCount++] = {"amx", amx::kernels, f.amx, false};
  sets[setCount++] = {"amx-emulated", amx_emulated::kernels, true, true};
#endif
  for (int i = 1; i < setCount; i++) {
    if (sets[i].available && !sets[i].forTests) sets[i].available = multipliesRight(sets[i]);
  }
}
