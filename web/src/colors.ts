/** Colours of series: apart from each other for colour-blind eyes, and on both backgrounds. (After Okabe and Ito 2008) */

const LIGHT = ["#0b6e8f", "#d1620c", "#2f8f5b", "#b4358b", "#6a5acd", "#a67c00", "#c23b3b", "#2d6cdf", "#557a0f", "#8a4b2a"];
const DARK = ["#4fb8d8", "#f5964a", "#63c98f", "#e67fc3", "#a79bf0", "#e0b83d", "#f07f7f", "#7fa8f8", "#a6c94e", "#cf9a78"];
const DASHES: readonly number[][] = [[], [6, 4], [2, 3]];

/** Colour of the series at place `at`; after ten the colours come again with another dash. */
export function color(at: number, dark: boolean): string {
  const colors = dark ? DARK : LIGHT;
  return colors[at % colors.length]!;
}

export function dash(at: number): readonly number[] {
  return DASHES[Math.floor(at / LIGHT.length) % DASHES.length]!;
}

export function withAlpha(hex: string, alpha: number): string {
  return hex + Math.round(alpha * 255).toString(16).padStart(2, "0");
}
