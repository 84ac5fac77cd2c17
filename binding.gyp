{
  # Every kernel source is compiled once per instruction set, into a namespace of its own (SHOAL_ISA), and chosen at run time.
  # An instruction set that the compiler or the machine's architecture lacks is left out; "portable" is always there.
  "variables": {
    "openssl_fips": "",
    "kernel_sources": [
      "native/gemm/matmul.cc", "native/norm/norm-rope.cc", "native/attention/attention.cc", "native/attention/latent-attention.cc",
      "native/moe/experts.cc", "native/loss/loss.cc", "native/elementwise/elementwise.cc", "native/quant/quantised.cc", "native/quant/convert.cc",
      "native/fused/feed-forward.cc", "native/loss/head-loss.cc", "native/fused/attention-step.cc", "native/fused/feed-forward-step.cc",
    ],
  },
  "target_defaults": {
    "cflags": ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-Wall", "-Wno-psabi", "-Wno-unused-function"],
    "cflags_cc": ["-std=c++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    "cflags!": ["-fno-omit-frame-pointer"],
    "xcode_settings": {
      "OTHER_CPLUSPLUSFLAGS": ["-O3", "-std=c++17", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"],
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
    },
    "include_dirs": ["native"],
    "defines": ["NAPI_VERSION=8"],
    "conditions": [["OS=='linux'", {"cflags": ["-fPIC"]}]],
  },
  "targets": [
    {
      "target_name": "kernels_portable",
      "type": "static_library",
      "sources": ["<@(kernel_sources)"],
      "defines": ["SHOAL_ISA=portable", "SHOAL_VECTOR_BYTES=16"],
    },
    {
      "target_name": "shoal",
      "sources": ["native/addon/addon.cc", "native/addon/instruction-sets.cc", "native/runtime/pool.cc", "native/runtime/arena.cc", "native/runtime/memory.cc"],
      "dependencies": ["kernels_portable"],
      "conditions": [
        ["target_arch=='x64'", {
          "defines": ["SHOAL_X86=1"],
          "dependencies": ["kernels_avx2", "kernels_avx512", "kernels_amx", "kernels_amx_emulated"],
        }],
      ],
    },
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "variables": {
        "avx2_flags": ["-mavx2", "-mfma", "-mf16c"],
        "avx512_flags": ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512bf16", "-mavx512vnni", "-mprefer-vector-width=512"],
      },
      "targets": [
        {
          "target_name": "kernels_avx2",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["SHOAL_ISA=avx2", "SHOAL_VECTOR_BYTES=32"],
          "cflags": ["<@(avx2_flags)"],
          "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<@(avx2_flags)"]},
        },
        {
          "target_name": "kernels_avx512",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["SHOAL_ISA=avx512", "SHOAL_VECTOR_BYTES=64", "SHOAL_BF16_DOT=1"],
          "cflags": ["<@(avx512_flags)"],
          "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<@(avx512_flags)"]},
        },
        {
          "target_name": "kernels_amx",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["SHOAL_ISA=amx", "SHOAL_VECTOR_BYTES=64", "SHOAL_BF16_DOT=1", "SHOAL_TILES=1"],
          "cflags": ["<@(avx512_flags)", "-mamx-tile", "-mamx-bf16", "-mprfchw"],
          "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<@(avx512_flags)", "-mamx-tile", "-mamx-bf16", "-mprfchw"]},
        },
        {
          # The AMX source over a tile unit written in C++ (native/simd/tile.h): its logic is tested on machines that have no tiles.
          "target_name": "kernels_amx_emulated",
          "type": "static_library",
          "sources": ["<@(kernel_sources)"],
          "defines": ["SHOAL_ISA=amx_emulated", "SHOAL_VECTOR_BYTES=16", "SHOAL_TILES=1", "SHOAL_TILES_EMULATED=1"],
        },
      ],
    }],
  ],
}
