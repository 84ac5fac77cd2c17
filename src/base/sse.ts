/** Server-sent events as they come over a wire: split anywhere, with any line ending, comments and fields that nobody needs. */

/** Longest event that is put together, in characters. */
export const LONGEST_EVENT = 4 << 20;

/** The data of each event. @throws RangeError for an event without end */
export async function* eventData(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  // The decoder drops a byte order mark and keeps the parts of a character until its last byte comes.
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  const take = function* (lines: readonly string[]): Generator<string> {
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield data.join("\n");
        data = [];
      } else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line === "data") data.push("");
    }
  };
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    // A carriage return at the end may be the first half of a line ending.
    const held = rest.endsWith("\r") ? "\r" : "";
    const lines = rest.slice(0, rest.length - held.length).split(/\r\n|\r|\n/);
    rest = lines.pop()! + held;
    yield* take(lines);
    const size = rest.length + data.reduce((sum, line) => sum + line.length, 0);
    if (size > LONGEST_EVENT) throw new RangeError(`an event is longer than ${LONGEST_EVENT} characters`);
  }
  // Some servers leave out the last empty line.
  yield* take([...(rest + decoder.decode()).split(/\r\n|\r|\n/), ""]);
}
