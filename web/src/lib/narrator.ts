/** What a screen reader hears of a growing answer: whole sentences, at most one piece every few seconds, without Markdown's signs. */
const PAUSE_MS = 2_500;

export function speakable(markdown: string): string {
  return markdown
    .replace(/!?\[([^\]\n]{0,500})\]\([^)\n]{0,2000}\)/g, "$1")
    .replace(/^[ \t]*(?:#{1,6}|>|[-*+]|```\S*)[ \t]*/gm, "")
    .replace(/[*_`~|]+/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

export class Narrator {
  private readonly say: (text: string) => void;
  private rest = "";
  private last = 0;

  constructor(say: (text: string) => void) {
    this.say = say;
  }

  push(text: string, now: number): void {
    this.rest += text;
    if (now - this.last < PAUSE_MS) return;
    const end = Math.max(this.rest.lastIndexOf("\n\n"), lastSentenceEnd(this.rest));
    if (end <= 0) return;
    this.tell(this.rest.slice(0, end));
    this.rest = this.rest.slice(end);
    this.last = now;
  }

  finish(): void {
    this.tell(this.rest);
    this.rest = "";
  }

  private tell(text: string): void {
    const words = speakable(text);
    if (words) this.say(words);
  }
}

function lastSentenceEnd(text: string): number {
  let end = 0;
  for (const match of text.matchAll(/[.!?:](?=\s)|[。！？]/g)) end = match.index + 1;
  return end;
}
