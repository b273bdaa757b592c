/** Confusion matrices: counts[gold][prediction] and what is computed from them. */

export interface Confusion {
  labels: string[];
  counts: number[][];
}

export type Normalise = "" | "gold" | "prediction" | "all";

export interface LabelScores {
  label: string;
  precision: number | null;
  recall: number | null;
  f1: number | null;
  support: number;
  predicted: number;
}

/** What `details` of an evaluation hold, if it is a confusion matrix of matching size. */
export function confusionOf(details: unknown): Confusion | null {
  const found = (details as { confusion?: Confusion } | null)?.confusion;
  if (!found || !Array.isArray(found.labels) || !Array.isArray(found.counts)) return null;
  const size = found.labels.length;
  const square = found.counts.length === size && found.counts.every((row) => row.length === size);
  return square ? { labels: found.labels.map(String), counts: found.counts } : null;
}

const sum = (list: readonly number[]) => list.reduce((all, one) => all + one, 0);

/** Shares of the row (gold: recall), of the column (prediction: precision) or of all; nothing of nothing is 0. */
export function normalised(counts: readonly (readonly number[])[], by: Normalise): number[][] {
  if (by === "") return counts.map((row) => [...row]);
  const columns = (counts[0] ?? []).map((_, at) => sum(counts.map((row) => row[at]!)));
  const all = sum(columns);
  return counts.map((row) => {
    const whole = sum(row);
    return row.map((one, at) => one / ((by === "gold" ? whole : by === "prediction" ? columns[at]! : all) || 1));
  });
}

/** b - a, where both have the same labels in any order; null where they have not. */
export function difference(a: Confusion, b: Confusion, by: Normalise): Confusion | null {
  const places = a.labels.map((label) => b.labels.indexOf(label));
  if (places.includes(-1) || a.labels.length !== b.labels.length) return null;
  const [ours, theirs] = [normalised(a.counts, by), normalised(b.counts, by)];
  return { labels: a.labels, counts: ours.map((row, i) => row.map((one, j) => theirs[places[i]!]![places[j]!]! - one)) };
}

/** Per label; null where nothing was predicted (precision) or there is nothing to find (recall). */
export function labelScores({ labels, counts }: Confusion): LabelScores[] {
  return labels.map((label, at) => {
    const right = counts[at]![at]!;
    const support = sum(counts[at]!);
    const predicted = sum(counts.map((row) => row[at]!));
    const f1 = support + predicted ? (2 * right) / (support + predicted) : null;
    return { label, precision: predicted ? right / predicted : null, recall: support ? right / support : null, f1, support, predicted };
  });
}

/** Off-diagonal cells, most frequent first. */
export function mistakes({ labels, counts }: Confusion, most: number): { gold: string; prediction: string; n: number }[] {
  const cells = counts.flatMap((row, i) => row.map((n, j) => ({ gold: labels[i]!, prediction: labels[j]!, n, off: i !== j })));
  return cells.filter((one) => one.off && one.n > 0).sort((a, b) => b.n - a.n).slice(0, most).map(({ gold, prediction, n }) => ({ gold, prediction, n }));
}

export function confusionRows({ labels, counts }: Confusion): (string | number)[][] {
  return [["gold \\ predicted", ...labels], ...counts.map((row, at) => [labels[at]!, ...row])];
}

export function shown(value: number, by: Normalise, signed = false): string {
  const sign = signed && value > 0 ? "+" : "";
  if (by === "") return sign + value.toLocaleString("en-US");
  return sign + (100 * value).toFixed(Math.abs(value) >= 0.9995 ? 0 : 1);
}

const XML: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const safe = (text: string) => text.replace(/[&<>"]/g, (one) => XML[one]!);

/** The matrix as a picture of its own: light, with its numbers as text. */
export function confusionSvg({ labels, counts }: Confusion, by: Normalise, title: string): string {
  const values = normalised(counts, by);
  const most = Math.max(...values.flat(), 1e-12);
  const room = 12 + 7 * Math.max(...labels.map((label) => label.length), 4);
  const [cell, top] = [54, room + 24];
  const parts = labels.flatMap((label, i) => [
    `<text x="${room - 6}" y="${top + cell * i + cell / 2 + 4}" text-anchor="end">${safe(label)}</text>`,
    `<text transform="translate(${room + cell * i + cell / 2 + 4} ${top - 6}) rotate(-90)">${safe(label)}</text>`,
    ...values[i]!.map((one, j) => {
      const share = one / most;
      const [x, y] = [room + cell * j, top + cell * i];
      return `<rect x="${x}" y="${y}" width="${cell}" height="${cell}" fill="${i === j ? "#0b6e8f" : "#b42318"}" fill-opacity="${(0.9 * share).toFixed(3)}" stroke="#dcdfdd"/>` +
        `<text x="${x + cell / 2}" y="${y + cell / 2 + 4}" text-anchor="middle" fill="${share > 0.6 ? "#fff" : "#17232a"}">${shown(one, by)}</text>`;
    }),
  ]);
  const [width, height] = [room + cell * labels.length + 10, top + cell * labels.length + 10];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="#17232a">` +
    `<rect width="100%" height="100%" fill="#fff"/><text x="8" y="16" font-weight="600">${safe(title)}</text>${parts.join("")}</svg>`;
}
