// The instruction sets that kernels were compiled for, and which of them this machine can run.
#pragma once
#include "contract.h"

/** A kernel of some instruction set, called with its struct. It returns a number, or 0 where it has none to return. */
typedef double (*KernelFunction)(const void* call);

constexpr int kKernels = sizeof(kLayouts) / sizeof(*kLayouts);

struct InstructionSet {
  const char* name;
  const KernelFunction* kernels;  // in the order of kLayouts; null for those that it does not have
  bool available;
  bool forTests;  // not to be chosen, only asked for by name
};

constexpr int kMaxSets = 5;
extern InstructionSet sets[kMaxSets];
extern int setCount;

/** Fills `sets`, the best last; a second call does nothing. */
void findSets();
