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
}

/** Answers that were asked for together count as a comparison until somebody goes on from one of them. */
const TOGETHER_MS = 100;

export function isComparison<T extends Reply>(
  siblings: readonly T[],
  children: ReadonlyMap<string | null, T[]>,
): boolean {
  return (
    siblings.length > 1 &&
    siblings.every((node) => node.role === "assistant" && !children.get(node.id)?.length) &&
    Math.abs(siblings.at(-1)!.createdAt - siblings[0].createdAt) < TOGETHER_MS
  );
}
