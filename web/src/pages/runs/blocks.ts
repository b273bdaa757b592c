/** Rows of a long table by blocks: what is known, what is old, what to ask for next. Pure; the asking is in rows.ts. */
import type { RunRow, RunTable } from "../../api";

export const BLOCK = 200; // rows asked for at a time
const KEPT = 64; // blocks remembered
const WHOLE = 1000; // rows looked at together

interface Block {
  rows: RunRow[];
  age: number; // the generation in which it was asked for
}

export class Blocks {
  total: number | null = null; // rows that match; null before the first answer
  all = 0; // runs in the store
  private generation = 0;
  private readonly known = new Map<number, Block>(); // the last used last
  private readonly asked = new Map<number, number>(); // block -> generation it was asked for in

  /** `columns`: what was asked for beside the fields, in the order of the cells. */
  constructor(readonly columns: readonly string[]) {}

  row(index: number): RunRow | undefined {
    return this.known.get(Math.floor(index / BLOCK))?.rows[index % BLOCK];
  }

  /** Everything known is old from now on: it stays on screen until it was asked for again. */
  renew(): void {
    this.generation++;
  }

  /** Blocks of the rows `first` to `last` that are unknown or old, and not on their way. */
  missing(first: number, last: number): number[] {
    const end = Math.min(last, (this.total ?? Infinity) - 1);
    const wanted: number[] = [];
    for (let at = Math.floor(Math.max(0, first) / BLOCK); at * BLOCK <= end || (this.total === null && at === 0); at++) {
      if (!this.asked.has(at) && (this.known.get(at)?.age ?? -1) < this.generation) wanted.push(at);
    }
    // an empty table is asked again too: its first run may have come
    if (this.total === 0 && !this.asked.has(0) && (this.known.get(0)?.age ?? -1) < this.generation) wanted.push(0);
    return wanted;
  }

  get waiting(): number {
    return this.asked.size;
  }

  ask(block: number): void {
    this.asked.set(block, this.generation);
  }

  /** An answer; the block of a shorter table that ended before it is forgotten. */
  put(block: number, answer: RunTable): void {
    const age = this.asked.get(block) ?? this.generation;
    this.asked.delete(block);
    this.total = answer.total;
    this.all = answer.all;
    this.known.delete(block);
    this.known.set(block, { rows: answer.rows, age });
    for (const at of [...this.known.keys()]) if (at * BLOCK >= answer.total && at > 0) this.known.delete(at);
    while (this.known.size > KEPT) this.known.delete(this.known.keys().next().value!);
  }

  fail(block: number): void {
    this.asked.delete(block);
  }

  /** Where the run is now, among the known rows. */
  find(id: string): number | null {
    for (const [at, block] of this.known) {
      const place = block.rows.findIndex((row) => row.id === id);
      if (place >= 0) return at * BLOCK + place;
    }
    return null;
  }

  /** All rows of a short table, where all are known; else null. */
  whole(): RunRow[] | null {
    if (this.total === null || this.total > WHOLE) return null;
    const rows: RunRow[] = [];
    for (let at = 0; at * BLOCK < this.total; at++) {
      const block = this.known.get(at);
      if (!block) return null;
      rows.push(...block.rows);
    }
    return rows;
  }
}
