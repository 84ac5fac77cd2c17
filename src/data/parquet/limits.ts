export const PARQUET_LIMITS = {
  /** A group of rows, of the columns that are read, decompressed: bytes. */
  rowGroupBytes: 2 ** 30,
  /** The same in values: a few bytes can stand for millions of equal ones. */
  rowGroupCells: 2 ** 25,
  /** A .parquet.gz or .parquet.zst, decompressed: it has to be in memory whole. */
  packedBytes: 2 ** 30,
  /** JavaScript's memory of the process that reads: for the largest group of rows. */
  heapMegabytes: 3072,
  /** What opening a file, or a step of reading it, may take before it is given up, and beside that for each million of bytes and values. */
  milliseconds: 20_000,
  millisecondsPerMillion: 500,
};
