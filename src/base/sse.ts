/** Server-sent events as they come over a wire: split anywhere, with any line ending, comments and fields that nobody needs. */

/** Longest event that is put together, in characters. */
export const LONGEST_EVENT = 4 << 20;

const tooLong = () => new RangeError(`an event is longer than ${LONGEST_EVENT} characters`);

/** The data of each event. @throws RangeError for an event without end */
export async function* eventData(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  // The decoder drops a byte order mark and keeps the parts of a character until its last byte comes.
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  /** Characters of `data`, each line's end included: empty lines take memory too. */
  let size = 0;
  const take = function* (lines: readonly string[]): Generator<string> {
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield data.join("\n");
        data = [];
        size = 0;
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line[5] === " " ? 6 : 5));
        size += line.length;
      } else if (line === "data") {
        data.push("");
        size += line.length;
      }
      if (size > LONGEST_EVENT) throw tooLong();
    }
  };
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    // A carriage return at the end may be the first half of a line ending.
    const held = rest.endsWith("\r") ? "\r" : "";
    const lines = rest.slice(0, rest.length - held.length).split(/\r\n|\r|\n/);
    rest = lines.pop()! + held;
    yield* take(lines);
    if (rest.length + size > LONGEST_EVENT) throw tooLong();
  }
  // Some servers leave out the last empty line.
  yield* take([...(rest + decoder.decode()).split(/\r\n|\r|\n/), ""]);
}
