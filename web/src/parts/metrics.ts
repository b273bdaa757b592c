/** Names of metrics in an order to read them in. */
const ORDER = ["val", "test", "train", "perf"];

/** Names by what stands before the first slash: val, test, train, perf, then others; "" for none. */
export function byPrefix(names: readonly string[]): [string, string[]][] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const prefix = name.includes("/") ? name.slice(0, name.indexOf("/")) : "";
    groups.set(prefix, [...(groups.get(prefix) ?? []), name]);
  }
  const place = (prefix: string) => (ORDER.includes(prefix) ? ORDER.indexOf(prefix) : ORDER.length);
  return [...groups].sort(([a], [b]) => place(a) - place(b) || a.localeCompare(b));
}

/** Names in that order, flat. */
export const inOrder = (names: readonly string[]): string[] => byPrefix(names).flatMap(([, list]) => list);
