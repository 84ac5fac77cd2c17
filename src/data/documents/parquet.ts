/** Rows of Parquet files, one group of rows in memory at a time. */
import { open, stat } from "node:fs/promises";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import {
  type AsyncBuffer,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from "hyparquet";
import { InputError } from "../../base/index.ts";
import { BadFile, rawChunks } from "./bytes.ts";

export const PARQUET_LIMITS = {
  /** A group of rows, of the columns that are read, decompressed: bytes. */
  rowGroupBytes: 2 ** 30,
  /** A .parquet.gz or .parquet.zst, decompressed: it has to be in memory whole. */
  packedBytes: 2 ** 30,
};

const COMPRESSORS: Compressors = {
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: length }),
  ZSTD: (input, length) => zstdDecompressSync(input, { maxOutputLength: length }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: length }),
};

export interface ParquetOptions {
  /** Columns to read, those of them that there are (default: all). */
  columns?: readonly string[];
  /** Told of each group of rows that is damaged; without it, the first is an error. */
  onBad: (where: string, why: string) => void;
  onRead?: (bytes: number) => void;
}

/**
 * The rows as objects, each with its place ("file:row", from 1). Binary columns are left out, and whole numbers beyond 2⁵³ become text.
 * @throws InputError if the file cannot be read, BadFile if it is no Parquet
 */
export async function* readParquet(
  path: string,
  options: ParquetOptions,
): AsyncGenerator<{ row: Record<string, unknown>; where: string }> {
  const { file, close } = await openFile(path);
  try {
    const metadata = await metadataOf(file);
    const there = new Set(metadata.schema.length > 0 ? columnsOf(metadata) : []);
    const columns = options.columns?.filter((column) => there.has(column)) ?? [...there];
    if (columns.length === 0)
      throw new BadFile(
        `has none of the columns ${options.columns?.join(", ")} (but ${[...there].slice(0, 20).join(", ")})`,
      );
    let rowStart = 0;
    for (const [i, group] of metadata.row_groups.entries()) {
      const rowEnd = rowStart + Number(group.num_rows);
      const where = `${path}:${rowStart + 1}-${rowEnd}`;
      const bytes = sizeOf(group, columns);
      let rows: Record<string, unknown>[] = [];
      if (bytes > PARQUET_LIMITS.rowGroupBytes)
        options.onBad(where, `rows of ${bytes} bytes together, above the limit of ${PARQUET_LIMITS.rowGroupBytes}`);
      else {
        try {
          rows = await parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors: COMPRESSORS });
        } catch (error) {
          options.onBad(where, `damaged Parquet (${(error as Error).message.split("\n")[0].slice(0, 120)})`);
        }
      }
      for (const [j, row] of rows.entries())
        yield { row: plain(row) as Record<string, unknown>, where: `${path}:${rowStart + j + 1}` };
      rowStart = rowEnd;
      options.onRead?.(
        Math.floor((file.byteLength * (i + 1)) / metadata.row_groups.length) -
          Math.floor((file.byteLength * i) / metadata.row_groups.length),
      );
    }
  } finally {
    await close();
  }
}

async function metadataOf(file: AsyncBuffer): Promise<FileMetaData> {
  const magic = async (at: number) =>
    file.byteLength < 12 ? "" : Buffer.from(await file.slice(at, at + 4)).toString("latin1");
  if ((await magic(0)) !== "PAR1") throw new BadFile("not Parquet (it does not begin with PAR1)");
  if ((await magic(file.byteLength - 4)) !== "PAR1")
    throw new BadFile("damaged Parquet (it does not end with PAR1: cut off?)");
  try {
    return await parquetMetadataAsync(file);
  } catch (error) {
    throw new BadFile(`damaged Parquet (${(error as Error).message.split("\n")[0].slice(0, 120)})`);
  }
}

const columnsOf = (metadata: FileMetaData): string[] => [
  ...new Set(
    metadata.row_groups.flatMap(({ columns }) => columns.map((column) => column.meta_data?.path_in_schema[0] ?? "")),
  ),
];

/** Bytes of a group's columns, decompressed. */
function sizeOf(group: FileMetaData["row_groups"][number], columns: readonly string[]): number {
  let bytes = 0;
  for (const { meta_data: column } of group.columns)
    if (column && columns.includes(column.path_in_schema[0])) bytes += Number(column.total_uncompressed_size);
  return bytes;
}

async function openFile(path: string): Promise<{ file: AsyncBuffer; close: () => Promise<void> }> {
  if (/\.(gz|zst)$/.test(path)) {
    const parts: Buffer[] = [];
    let length = 0;
    for await (const chunk of rawChunks(path)) {
      parts.push(chunk);
      length += chunk.length;
      if (length > PARQUET_LIMITS.packedBytes)
        throw new BadFile(`unpacks to more than ${PARQUET_LIMITS.packedBytes} bytes (unpack it first)`);
    }
    const bytes = new Uint8Array(Buffer.concat(parts, length)).buffer;
    return { file: bytes, close: async () => {} };
  }
  try {
    const { size } = await stat(path);
    const handle = await open(path);
    const slice = async (start: number, end = size): Promise<ArrayBuffer> => {
      const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
      for (let at = 0; at < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, at, bytes.length - at, start + at);
        if (bytesRead === 0) throw new BadFile("damaged Parquet (it became shorter)");
        at += bytesRead;
      }
      return bytes.buffer;
    };
    return { file: { byteLength: size, slice }, close: () => handle.close() };
  } catch (error) {
    throw new InputError(`${path}: cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
}

/** A value as JSON can hold it. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value) || value === undefined) return undefined;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, part]) => [key, plain(part)])
      .filter(([, part]) => part !== undefined),
  );
}
