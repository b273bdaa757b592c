/** A flattened config as a tree, as YAML, and what the command line changed of it. */
import type { Cell } from "../../api";

export type Leaf = Cell | readonly unknown[] | Record<string, never>;

export interface Branch {
  name: string;
  key: string; // dotted, whole
  children: Branch[];
  value: Leaf | undefined; // of a leaf
}

/** Dotted keys as nested branches, in the order they come. */
export function tree(config: Record<string, Leaf>): Branch[] {
  const root: Branch = { name: "", key: "", children: [], value: undefined };
  for (const [key, value] of Object.entries(config)) {
    let at = root;
    for (const name of key.split(".")) {
      let next = at.children.find((one) => one.name === name);
      if (!next) at.children.push((next = { name, key: at.key ? `${at.key}.${name}` : name, children: [], value: undefined }));
      at = next;
    }
    at.value = value;
  }
  return root.children;
}

/** The given keys as YAML: a config that can be read again. */
export function yaml(config: Record<string, Leaf>): string {
  const lines: string[] = [];
  const write = (branches: readonly Branch[], indent: string) => {
    for (const one of branches) {
      const name = scalar(one.name);
      if (one.children.length) {
        lines.push(`${indent}${name}:`);
        write(one.children, `${indent}  `);
      } else if (Array.isArray(one.value) && one.value.length) {
        lines.push(`${indent}${name}:`, ...one.value.map((item) => `${indent}- ${flow(item)}`));
      } else {
        lines.push(`${indent}${name}: ${flow(one.value)}`);
      }
    }
  };
  write(tree(config), "");
  return lines.length ? `${lines.join("\n")}\n` : "";
}

const flow = (value: unknown): string => (typeof value === "string" ? scalar(value) : JSON.stringify(value ?? null));

/** A text as YAML, in quotes where it would be read as something else. */
function scalar(text: string): string {
  const plain = /^[A-Za-z_./][\w ./@+-]*$/.test(text) && !/\s$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n|\.(inf|nan))$/i.test(text);
  return plain ? text : JSON.stringify(text);
}

export interface Overridden {
  keys: Set<string>; // dotted keys that were set one by one
  groups: Map<string, string>; // a group and what was chosen for it: model -> gru
}

/** What overrides such as `model=gru`, `+trainer.x=1`, `~tracker`, `optimizer.lr=1e-3` changed, told apart by the config's keys. */
export function overridden(overrides: readonly string[], config: Record<string, Leaf>): Overridden {
  const found: Overridden = { keys: new Set(), groups: new Map() };
  const names = Object.keys(config);
  for (const one of overrides) {
    const [, name = "", value = ""] = /^[+~]*([^=]+)=?(.*)$/s.exec(one) ?? [];
    const key = name.replace(/\//g, ".").replace(/@.*$/, "");
    const inside = names.some((other) => other.startsWith(`${key}.`));
    if (inside && !value.startsWith("{")) found.groups.set(key, value);
    else if (inside) names.filter((other) => other.startsWith(`${key}.`)).forEach((other) => found.keys.add(other));
    else found.keys.add(key);
  }
  return found;
}

/** Keys whose name or value contains `query`, whatever its case. */
export function searched(config: Record<string, Leaf>, query: string): Record<string, Leaf> {
  const wanted = query.trim().toLowerCase();
  if (!wanted) return config;
  const holds = ([key, value]: [string, Leaf]) => `${key}=${flow(value)}`.toLowerCase().includes(wanted);
  return Object.fromEntries(Object.entries(config).filter(holds));
}
