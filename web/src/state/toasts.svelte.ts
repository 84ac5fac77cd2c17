/** Short messages at the edge of the window: what happened, and perhaps how to undo it. */
export interface Toast {
  id: number;
  text: string;
  bad: boolean;
  action?: { label: string; run: () => void };
}

let nextId = 0;

class Toasts {
  list = $state<Toast[]>([]);

  show(text: string, options: { bad?: boolean; action?: Toast["action"]; seconds?: number } = {}): void {
    const id = nextId++;
    this.list.push({ id, text, bad: options.bad ?? false, action: options.action });
    if (this.list.length > 4) this.list.shift();
    setTimeout(() => this.close(id), (options.seconds ?? (options.bad ? 10 : 6)) * 1000);
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }
}

export const toasts = new Toasts();
