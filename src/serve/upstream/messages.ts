/** What is new in whole messages of a stream: each may hold all that was said so far, or only what is added; and one may repeat it all at the end. */
export class Messages {
  private said = "";
  private byDeltas = false;
  /** What was found of those that do not begin with what was said before. */
  private way: "not found" | "only what is added" | "ignored" = "not found";

  /** @param whole the text is a message's, else what a delta brought */
  added(text: string, whole: boolean): string {
    if (!whole) {
      this.said += text;
      this.byDeltas ||= text !== "";
      return text;
    }
    if (this.way === "not found" && !text.startsWith(this.said))
      this.way = this.byDeltas ? "ignored" : "only what is added";
    if (this.way !== "not found") return this.way === "ignored" ? "" : text;
    const added = text.slice(this.said.length);
    this.said = text;
    return added;
  }
}
