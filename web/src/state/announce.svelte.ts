/** Words for a screen reader, in order. The region that holds them is read politely: after what is being read now. */
class Announcer {
  lines = $state<{ id: number; text: string }[]>([]);
  private next = 0;

  say(text: string): void {
    this.lines.push({ id: this.next++, text });
    if (this.lines.length > 6) this.lines.shift();
  }
}

export const announcer = new Announcer();
