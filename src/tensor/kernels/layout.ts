/**
 * Where a kernel's arguments lie in the block that the addon reads: 8 bytes for each number and pointer, in the order of the contract.
 * A buffer that may have one of several dtypes has its dtype behind its pointer; a matrix is a pointer, a dtype, its scales and its bits.
 */
import { createHash } from "node:crypto";
import type { Dtype } from "../dtype.ts";
import type {
  BufferField,
  ChoiceField,
  Contract,
  Fields,
  FlagField,
  GroupField,
  LiteralField,
  MatrixField,
  RealField,
  SizeField,
} from "./contract.ts";

const WORD = 8;

/** A number's place among a call's numbers, and its offset in the block. `scope` counts groups: 0 is the call itself. */
export interface NumberSlot {
  readonly name: string;
  readonly key: string;
  readonly scope: number;
  /** A matrix's number is its bits, 0 where it is not quantised. */
  readonly field: SizeField | RealField | FlagField | ChoiceField | LiteralField | MatrixField;
  readonly place: number;
  readonly offset: number;
}

/** One argument of the addon's function. A matrix makes two: its data, and its scales. */
export interface BufferSlot {
  readonly name: string;
  readonly key: string;
  readonly scope: number;
  readonly field: BufferField | MatrixField;
  readonly part: "whole" | "data" | "scales";
  readonly dtypes: readonly Dtype[];
  readonly offset: number;
  /** Where its dtype stands; null where there is only one. */
  readonly dtypeOffset: number | null;
}

/** A member of the C++ struct. */
export type Member =
  | { readonly kind: "group"; readonly name: string; readonly members: readonly Member[] }
  | {
      readonly kind: "value";
      readonly name: string;
      readonly type: string;
      readonly values: readonly string[];
      readonly note: string;
      readonly offset: number;
    };

export interface Layout {
  readonly kernel: string;
  readonly bytes: number;
  readonly groups: readonly { readonly key: string; readonly field: GroupField }[];
  readonly numbers: readonly NumberSlot[];
  readonly buffers: readonly BufferSlot[];
  readonly members: readonly Member[];
  /** Tells this layout from every other: both sides compare it when the addon is loaded. */
  readonly hash: string;
}

const ELEMENT: Record<Dtype, string> = {
  f32: "float",
  bf16: "uint16_t",
  f8e4m3: "uint8_t",
  i8: "int8_t",
  i32: "int32_t",
};

const constant = (name: string) => `k${name[0].toUpperCase()}${name.slice(1)}`;

export function layoutOf(kernel: string, { fields, options }: Contract): Layout {
  const groups: { key: string; field: GroupField }[] = [];
  const numbers: NumberSlot[] = [];
  const buffers: BufferSlot[] = [];
  let offset = 0;
  const word = () => {
    offset += WORD;
    return offset - WORD;
  };

  const walk = (scoped: Fields, scope: number, prefix: string): Member[] =>
    Object.entries(scoped).map(([key, field]): Member => {
      const name = prefix + key;
      const value = (type: string, at: number, note: string, values: readonly string[] = []): Member => ({
        kind: "value", name: key, type, values, note, offset: at,
      }); // biome-ignore format: one member
      switch (field.kind) {
        case "group": {
          groups.push({ key, field });
          return { kind: "group", name: key, members: walk(field.fields, groups.length, `${name}.`) };
        }
        case "buffer": {
          const dtypes = field.dtypes.split("|") as Dtype[];
          const at = word();
          const dtypeOffset = dtypes.length > 1 ? word() : null;
          buffers.push({
            name, key, scope, field, part: "whole", dtypes, offset: at, dtypeOffset,
          }); // biome-ignore format: one slot
          const element = dtypes.length > 1 ? null : `${field.written ? "" : "const "}${ELEMENT[dtypes[0]]}*`;
          const shape = typeof field.shape === "string" ? field.shape : Object.values(field.shape.cases).join(" or ");
          return value(element ?? (field.written ? "Buffer" : "ConstBuffer"), at, `${field.dtypes} [${shape}]`);
        }
        case "matrix": {
          const [at, dtypeOffset, scales, bitsOffset] = [word(), word(), word(), word()];
          const common = { key, scope, field };
          buffers.push({
            ...common, name, part: "data", dtypes: ["f32", "bf16", "i8"], offset: at, dtypeOffset,
          }); // biome-ignore format: one slot
          buffers.push({
            ...common, name: `${name}'s scales`, part: "scales", dtypes: ["bf16"], offset: scales, dtypeOffset: null,
          }); // biome-ignore format: one slot
          numbers.push({ name: `${name}'s bits`, key, scope, field, place: numbers.length, offset: bitsOffset });
          return value("HeldMatrix", at, `[${field.rows}×${field.columns}]`);
        }
        default: {
          const at = word();
          numbers.push({ name, key, scope, field, place: numbers.length, offset: at });
          if (field.kind === "choice") return value(key, at, "", field.values.map(constant));
          return value(field.kind === "real" ? "double" : field.kind === "flag" ? "Flag" : "int64_t", at, "");
        }
      }
    });

  const members = walk(fields, 0, "");
  const text = JSON.stringify([kernel, members, options.returns ?? "void"]);
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
  return { kernel, bytes: offset, groups, numbers, buffers, members, hash };
}
