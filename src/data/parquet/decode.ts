/** Rows of a Parquet file, one group of rows in memory at a time. It runs in a process of its own (`reader.ts`), because damage can make it run away. */
import { open, stat } from "node:fs/promises";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { type AsyncBuffer, type Compressors, type FileMetaData, parquetMetadataAsync, parquetRead } from "hyparquet";
import { InputError } from "../../base/index.ts";
import { BadFile } from "../containers/byte-reader.ts";
import { unpackHadoopLz4, unpackLz4Block } from "../containers/lz4.ts";
import { rawChunks } from "../documents/bytes.ts";
import { packingOf } from "../documents/files.ts";
import { PARQUET_LIMITS } from "./limits.ts";

const COMPRESSORS: Compressors = {
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: length }),
  ZSTD: (input, length) => zstdDecompressSync(input, { maxOutputLength: length }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: length }),
  LZ4_RAW: unpackLz4Block,
  LZ4: unpackHadoopLz4,
  LZO: () => {
    throw new Error("its codec LZO is not supported: write it again with zstd or snappy");
  },
};

export type Row = Record<string, unknown>;

/** What is read, in order: how much comes, rows from a row's number on, a place that is bad, bytes read from the disk. */
export type Part =
  | { kind: "begin"; bytes: number; cells: number }
  | { kind: "rows"; first: number; rows: Row[] }
  | { kind: "bad"; where: string; why: string }
  | { kind: "read"; bytes: number };

/** Rows handed over at a time. */
const BATCH_ROWS = 1024;
const BATCH_CHARACTERS = 2 ** 21;

/** @throws InputError if the file cannot be read, BadFile if it is no Parquet */
export async function* decodeParquet(path: string, wanted: readonly string[] | undefined): AsyncGenerator<Part> {
  const { file, close } = await openFile(path);
  try {
    const metadata = await metadataOf(file);
    const there = columnsOf(metadata);
    const columns = wanted?.filter((column) => there.includes(column)) ?? there;
    if (columns.length === 0)
      throw new BadFile(`has none of the columns ${wanted?.join(", ")} (but ${there.slice(0, 20).join(", ")})`);
    let rowStart = 0;
    for (const [i, group] of metadata.row_groups.entries()) {
      const rowEnd = rowStart + Number(group.num_rows);
      const where = `${path}:${rowStart + 1}-${rowEnd}`;
      const { bytes, cells } = sizeOf(group, columns);
      const tooMuch = excess(bytes, cells);
      if (tooMuch !== null) yield { kind: "bad", where, why: tooMuch };
      else {
        yield { kind: "begin", bytes, cells };
        try {
          const data = await columnsIn({ file, metadata, columns, rowStart, rowEnd, compressors: COMPRESSORS });
          for (const part of batches(data, rowStart, rowEnd)) yield part;
        } catch (error) {
          yield { kind: "bad", where, why: `damaged Parquet (${lineOf(error)})` };
        }
      }
      rowStart = rowEnd;
      const share = (groups: number) => Math.floor((file.byteLength * groups) / metadata.row_groups.length);
      yield { kind: "read", bytes: share(i + 1) - share(i) };
    }
  } finally {
    await close();
  }
}

const lineOf = (error: unknown): string => (error as Error).message.split("\n")[0].slice(0, 120);

/** Why a group of rows is not read, or null. */
function excess(bytes: number, cells: number): string | null {
  const { rowGroupBytes, rowGroupCells } = PARQUET_LIMITS;
  if (!(bytes >= 0 && cells >= 0)) return "damaged Parquet (sizes below 0)";
  if (bytes > rowGroupBytes) return `rows of ${bytes} bytes together, above the limit of ${rowGroupBytes}`;
  if (cells > rowGroupCells)
    return `rows of ${cells} values together, above the limit of ${rowGroupCells} (write it in smaller groups of rows)`;
  return null;
}

/** Of each column the values of the rows of one group. */
async function columnsIn(options: Parameters<typeof parquetRead>[0]): Promise<Map<string, ArrayLike<unknown>[]>> {
  const data = new Map<string, ArrayLike<unknown>[]>();
  await parquetRead({
    ...options,
    onChunk: ({ columnName, columnData }) => {
      const chunks = data.get(columnName) ?? [];
      chunks.push(columnData);
      data.set(columnName, chunks);
    },
  });
  return data;
}

/** The rows that columns hold. */
function* batches(data: Map<string, ArrayLike<unknown>[]>, rowStart: number, rowEnd: number): Generator<Part> {
  const cursors = [...data].map(([name, chunks]) => ({ name, chunks, chunk: 0, at: 0 }));
  for (const { name, chunks } of cursors) {
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    if (length < rowEnd - rowStart) throw new Error(`column ${name} has ${length} of ${rowEnd - rowStart} rows`);
  }
  let rows: Row[] = [];
  let first = rowStart + 1;
  let characters = 0;
  for (let row = rowStart; row < rowEnd; row++) {
    const values: Row = {};
    for (const cursor of cursors) {
      while (cursor.at === cursor.chunks[cursor.chunk].length) {
        cursor.chunk++;
        cursor.at = 0;
      }
      const value = plain(cursor.chunks[cursor.chunk][cursor.at++]);
      if (value !== undefined) values[cursor.name] = value;
      characters += typeof value === "string" ? value.length : 64;
    }
    rows.push(values);
    if (rows.length < BATCH_ROWS && characters < BATCH_CHARACTERS) continue;
    yield { kind: "rows", first, rows };
    first += rows.length;
    rows = [];
    characters = 0;
  }
  if (rows.length > 0) yield { kind: "rows", first, rows };
}

async function metadataOf(file: AsyncBuffer): Promise<FileMetaData> {
  const magic = async (at: number) =>
    file.byteLength < 12 ? "" : Buffer.from(await file.slice(at, at + 4)).toString("latin1");
  const [begin, end] = [await magic(0), await magic(file.byteLength - 4)];
  if (begin === "PARE" || end === "PARE") throw new BadFile("is encrypted Parquet (decrypt it first)");
  if (begin !== "PAR1") throw new BadFile("not Parquet (it does not begin with PAR1)");
  if (end !== "PAR1") throw new BadFile("damaged Parquet (it does not end with PAR1: cut off?)");
  try {
    return await parquetMetadataAsync(file);
  } catch (error) {
    throw new BadFile(`damaged Parquet (${lineOf(error)})`);
  }
}

const columnsOf = (metadata: FileMetaData): string[] => [
  ...new Set(
    metadata.row_groups.flatMap(({ columns }) => columns.map((column) => column.meta_data?.path_in_schema[0] ?? "")),
  ),
];

/** Bytes of a group's columns, decompressed, and how many values they have. */
function sizeOf(
  group: FileMetaData["row_groups"][number],
  columns: readonly string[],
): { bytes: number; cells: number } {
  const read = group.columns.flatMap(({ meta_data: column }) =>
    column && columns.includes(column.path_in_schema[0]) ? [column] : [],
  );
  return {
    bytes: read.reduce((sum, column) => sum + Number(column.total_uncompressed_size), 0),
    cells: read.reduce((sum, column) => sum + Math.max(Number(column.num_values), Number(group.num_rows)), 0),
  };
}

async function openFile(path: string): Promise<{ file: AsyncBuffer; close: () => Promise<void> }> {
  if (packingOf(path) !== null) {
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
      const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - Math.max(0, start)));
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
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (ArrayBuffer.isView(value) || value === undefined) return undefined;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, part]) => [key, plain(part)])
      .filter(([, part]) => part !== undefined),
  );
}
