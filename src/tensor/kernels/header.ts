/** The C++ side of the contracts: `native/<family>/contract.h` with its structs, and `native/contract.h` with the table of all kernels. */
import { families } from "./contracts.ts";
import { type BufferSlot, type Layout, layoutOf, type Member } from "./layout.ts";

const capital = (name: string) => name[0].toUpperCase() + name.slice(1);

/** Members of a struct, numbers of one type on one line. */
function declared(members: readonly Member[], indent: string): string[] {
  const lines: string[] = [];
  let row: { type: string; names: string[] } | null = null;
  for (const member of members) {
    if (member.kind === "value" && row?.type === member.type && member.note === "" && member.values.length === 0) {
      row.names.push(member.name);
      lines[lines.length - 1] = `${indent}${row.type} ${row.names.join(", ")};`;
      continue;
    }
    row = null;
    if (member.kind === "group") {
      lines.push(`${indent}struct {`, ...declared(member.members, `${indent}  `), `${indent}} ${member.name};`);
    } else if (member.values.length > 0) {
      lines.push(`${indent}enum ${capital(member.name)} : int64_t { ${member.values.join(", ")} } ${member.name};`);
    } else {
      lines.push(`${indent}${member.type} ${member.name};${member.note ? `  // ${member.note}` : ""}`);
      if (member.note === "") row = { type: member.type, names: [member.name] };
    }
  }
  return lines;
}

function bufferEntry({ dtypes, offset, dtypeOffset }: BufferSlot): string {
  const mask = dtypes.map((dtype) => `takes(Dtype::${dtype})`).join(" | ");
  return `{${offset}, ${dtypeOffset ?? -1}, ${mask}}`;
}

const BANNER = "// Made by `npm run contract` from src/tensor/kernels/*/contract.ts. Not to be edited.";

function struct({ kernel, bytes, members, buffers }: Layout): string {
  const name = capital(kernel);
  return [
    `struct ${name} {`,
    ...declared(members, "  "),
    "};",
    // Members are of whole words: where the size is right, so is every member's place.
    `static_assert(sizeof(${name}) == ${bytes}, "");`,
    `constexpr BufferPlace k${name}Buffers[] = {${buffers.map(bufferEntry).join(", ")}};`,
  ].join("\n");
}

type Family = (typeof families)[string];
const byTiles = (family: Family, tiles: boolean) =>
  Object.entries(family).filter(([, { options }]) => (options.tiles ?? false) === tiles);

/** each(function, struct, result) for some kernels of a family. */
function list(name: string, family: Family, tiles: boolean): string {
  const each = byTiles(family, tiles).map(
    ([kernel, { options }]) => `  each(${kernel}, ${capital(kernel)}, ${options.returns ? "double" : "void"})`,
  );
  return [`#define SHOAL_${name.toUpperCase()}_${tiles ? "TILE_" : ""}KERNELS(each)`, ...each].join(" \\\n");
}

function familyHeader(name: string, family: Family): string {
  const structs = Object.entries(family).map(([kernel, contract]) => struct(layoutOf(kernel, contract)));
  return `${BANNER}
#pragma once
#include "addon/buffer.h"

/** What kernels are called with: a struct for each, named like it. In brackets stands a buffer's shape. */
namespace call {

${structs.join("\n\n")}

}  // namespace call

// each(function, struct, result): kernels that every instruction set has, and those of instruction sets with a tile unit.
${list(name, family, false)}
${list(name, family, true)}

#if defined(SHOAL_ISA)
namespace SHOAL_ISA {
#define SHOAL_DECLARE(function, Struct, Result) Result function(const call::Struct& p);
SHOAL_${name.toUpperCase()}_KERNELS(SHOAL_DECLARE)
#if defined(SHOAL_TILES)
SHOAL_${name.toUpperCase()}_TILE_KERNELS(SHOAL_DECLARE)
#endif
#undef SHOAL_DECLARE
}  // namespace SHOAL_ISA
#endif
`;
}

function table(): string {
  const all = Object.entries(families);
  const macro = (tiles: boolean) =>
    [
      `#define SHOAL_${tiles ? "TILE_" : ""}KERNELS(each)`,
      ...all.map(([name]) => `  SHOAL_${name.toUpperCase()}_${tiles ? "TILE_" : ""}KERNELS(each)`),
    ].join(" \\\n");
  const entries = [false, true].flatMap((tiles) =>
    all.flatMap(([, family]) =>
      byTiles(family, tiles).map(([kernel, contract]) => {
        const { bytes, buffers, hash, numbers } = layoutOf(kernel, contract);
        const tokens = numbers.find(({ name }) => name === "T")?.offset ?? -1;
        return `    {"${kernel}", "${hash}", ${bytes}, ${tokens}, call::k${capital(kernel)}Buffers, ${buffers.length}},`;
      }),
    ),
  );
  return `${BANNER}
#pragma once
${all.map(([name]) => `#include "${name}/contract.h"`).join("\n")}

${macro(false)}

${macro(true)}

/** Kernels in the order of these lists: name, hash of the struct's layout, its size, where the number of tokens stands (−1: nowhere), and its buffers. */
constexpr KernelLayout kLayouts[] = {
${entries.join("\n")}
};
`;
}

/** The generated headers by their paths below `native/`. */
export function headers(): Record<string, string> {
  const ofFamilies = Object.entries(families).map(([name, family]) => [
    `${name}/contract.h`,
    familyHeader(name, family),
  ]);
  return { ...Object.fromEntries(ofFamilies), "contract.h": table() };
}
