// The kernels of one instruction set.
#include "args.h"
#include "vec.h"

#define SHOAL_JOIN2(a, b) a##b
#define SHOAL_JOIN(a, b) SHOAL_JOIN2(a, b)

namespace SHOAL_ISA {
extern const Entry matmulFamily[], normRopeFamily[], attentionFamily[], latentAttentionFamily[], expertsFamily[], lossFamily[], elementwiseFamily[], quantisedFamily[];
extern const Entry feedForwardFamily[], headLossFamily[], attentionStepFamily[], feedForwardStepFamily[];
}

/** Families of this instruction set, ended by null: familiesOf_avx512 and so on. */
extern "C" const Family* SHOAL_JOIN(familiesOf_, SHOAL_ISA)() {
  using namespace SHOAL_ISA;
  static const Family families[] = {matmulFamily,  normRopeFamily,    attentionFamily, latentAttentionFamily, expertsFamily,
                                    lossFamily,    elementwiseFamily, quantisedFamily, feedForwardFamily,     headLossFamily,
                                    attentionStepFamily, feedForwardStepFamily, nullptr};
  return families;
}
