/** Messages as a tree: which branch is on show, and what else there is at each fork. Pure functions over anything with id and parentId. */
export interface Node {
  readonly id: string;
  readonly parentId: string | null;
}

/** Children by parent, each list in the order of the messages (the order of creation). */
export function childrenOf<T extends Node>(nodes: readonly T[]): Map<string | null, T[]> {
  const children = new Map<string | null, T[]>();
  for (const node of nodes) {
    const list = children.get(node.parentId);
    if (list) list.push(node);
    else children.set(node.parentId, [node]);
  }
  return children;
}

/** From the first message to the leaf. A leaf that is not there gives an empty branch. */
export function branchTo<T extends Node>(byId: ReadonlyMap<string, T>, leafId: string | null): T[] {
  const branch: T[] = [];
  const seen = new Set<string>();
  let node = leafId === null ? undefined : byId.get(leafId);
  while (node && !seen.has(node.id)) {
    seen.add(node.id);
    branch.push(node);
    node = node.parentId === null ? undefined : byId.get(node.parentId);
  }
  return branch.reverse();
}

/** The end of the newest branch below a message: what a reader expects to see who turns to it. */
export function newestLeaf<T extends Node>(children: ReadonlyMap<string | null, T[]>, id: string): string {
  for (let leaf = id; ; ) {
    const below = children.get(leaf);
    if (!below?.length) return leaf;
    leaf = below.at(-1)!.id;
  }
}

interface Reply extends Node {
  readonly role: string;
  readonly createdAt: number;
  /** Its place among answers that were asked for together; 0 or absent: it was alone. */
  readonly slot?: number;
}

/** Answers that were asked for together, before their places were kept, came within this time. */
const TOGETHER_MS = 100;

/** A comparison stands side by side until somebody goes on from one answer alone; while it goes on, all of it does. */

export function isComparison<T extends Reply>(
  siblings: readonly T[],
  children: ReadonlyMap<string | null, T[]>,
): boolean {
  if (siblings.length < 2 || siblings.some((node) => node.role !== "assistant")) return false;
  const questions = siblings.flatMap((node) => children.get(node.id) ?? []);
  if (siblings.every((node) => node.slot))
    return questions.every((question) => (children.get(question.id) ?? []).some((answer) => answer.slot));
  return questions.length === 0 && Math.abs(siblings.at(-1)!.createdAt - siblings[0].createdAt) < TOGETHER_MS;
}
