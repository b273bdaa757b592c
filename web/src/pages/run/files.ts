/** Files of a run as a tree with the size of every folder. */
export interface FileEntry {
  path: string;
  bytes: number;
  modified: number; // unix seconds
}

export interface FileNode {
  name: string;
  path: string;
  bytes: number;
  modified: number;
  count: number; // files in it; 0 for a file
  children: FileNode[];
}

export function fileTree(files: readonly FileEntry[]): FileNode[] {
  const root: FileNode = { name: "", path: "", bytes: 0, modified: 0, count: 0, children: [] };
  for (const { path, bytes, modified } of files) {
    let at = root;
    const parts = path.split("/");
    for (const [depth, name] of parts.entries()) {
      const folder = depth < parts.length - 1;
      let next = at.children.find((one) => one.name === name && one.count > 0 === folder);
      if (!next) at.children.push((next = { name, path: parts.slice(0, depth + 1).join("/"), bytes: 0, modified: 0, count: 0, children: [] }));
      next.bytes += bytes;
      next.modified = Math.max(next.modified, modified);
      if (folder) next.count++;
      at = next;
    }
  }
  return sorted(root.children);
}

/** Folders first, each by name with numbers in their order. */
function sorted(nodes: FileNode[]): FileNode[] {
  nodes.forEach((one) => sorted(one.children));
  return nodes.sort((a, b) => Number(b.count > 0) - Number(a.count > 0) || a.name.localeCompare(b.name, "en", { numeric: true }));
}
