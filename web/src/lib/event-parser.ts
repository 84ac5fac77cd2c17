/** Pieces of a text/event-stream, one for each event's data. */
export class EventParser {
  private rest = "";

  push(chunk: string): string[] {
    const events = (this.rest + chunk).split(/\r?\n\r?\n/);
    this.rest = events.pop()!;
    return events
      .map((event) =>
        event
          .split(/\r?\n/)
          .filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(line.startsWith("data: ") ? 6 : 5))
          .join("\n"),
      )
      .filter((data) => data !== "");
  }
}
