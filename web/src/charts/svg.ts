/** The methods of a canvas that charts use, writing SVG: one drawing routine serves the screen, PNG and SVG. */
import type { Surface } from "./draw";

const ALIGN: Record<string, string> = { left: "start", center: "middle", right: "end", start: "start", end: "end" };
const BASE: Record<string, string> = { top: "hanging", middle: "central", alphabetic: "auto", bottom: "text-after-edge" };

export const escaped = (text: string) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, "");
const short = (value: number) => String(Math.round(value * 100) / 100);

export class SvgSurface implements Surface {
  strokeStyle: unknown = "#000";
  fillStyle: unknown = "#000";
  lineWidth = 1;
  lineJoin: unknown = "miter";
  lineCap: unknown = "butt";
  globalAlpha = 1;
  font = "11px sans-serif";
  textAlign: unknown = "left";
  textBaseline: unknown = "alphabetic";
  private parts: string[] = [];
  private path: string[] = [];
  private dashes: number[] = [];
  private clips = 0;
  private open: number[] = []; // groups opened by a clip at each save

  constructor(readonly width: number, readonly height: number) {}

  save(): void {
    this.open.push(0);
  }
  restore(): void {
    this.parts.push("</g>".repeat(this.open.pop() ?? 0));
  }
  beginPath(): void {
    this.path = [];
  }
  closePath(): void {
    this.path.push("Z");
  }
  moveTo(x: number, y: number): void {
    this.path.push(`M${short(x)} ${short(y)}`);
  }
  lineTo(x: number, y: number): void {
    this.path.push(`L${short(x)} ${short(y)}`);
  }
  rect(x: number, y: number, width: number, height: number): void {
    this.path.push(`M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}Z`);
  }
  clip(): void {
    const id = `clip${++this.clips}`;
    this.parts.push(`<clipPath id="${id}"><path d="${this.path.join("")}"/></clipPath><g clip-path="url(#${id})">`);
    if (this.open.length) this.open[this.open.length - 1]!++;
  }
  setLineDash(dashes: Iterable<number>): void {
    this.dashes = [...dashes];
  }
  stroke(): void {
    if (!this.path.length) return;
    const dash = this.dashes.length ? ` stroke-dasharray="${this.dashes.join(" ")}"` : "";
    const stroke = `stroke="${escaped(String(this.strokeStyle))}" stroke-width="${short(this.lineWidth)}" stroke-linejoin="${String(this.lineJoin)}"`;
    this.parts.push(`<path d="${this.path.join("")}" fill="none" ${stroke}${dash}${this.opacity("stroke")}/>`);
  }
  fill(): void {
    if (this.path.length) this.parts.push(`<path d="${this.path.join("")}" fill="${escaped(String(this.fillStyle))}"${this.opacity("fill")}/>`);
  }
  fillRect(x: number, y: number, width: number, height: number): void {
    this.parts.push(
      `<rect x="${short(x)}" y="${short(y)}" width="${short(width)}" height="${short(height)}" fill="${escaped(String(this.fillStyle))}"${this.opacity("fill")}/>`,
    );
  }
  fillText(text: string, x: number, y: number): void {
    const [, weight, size, family] = /^(?:(\d+) )?([\d.]+)px (.+)$/.exec(this.font) ?? [];
    const bold = weight ? ` font-weight="${weight}"` : "";
    this.parts.push(
      `<text x="${short(x)}" y="${short(y)}" font-size="${size ?? 11}" font-family="${escaped(family ?? "sans-serif")}"${bold} fill="${escaped(String(this.fillStyle))}" ` +
        `text-anchor="${ALIGN[String(this.textAlign)] ?? "start"}" dominant-baseline="${BASE[String(this.textBaseline)] ?? "auto"}">${escaped(text)}</text>`,
    );
  }

  private opacity(kind: "stroke" | "fill"): string {
    return this.globalAlpha < 1 ? ` ${kind}-opacity="${short(this.globalAlpha)}"` : "";
  }

  text(): string {
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${this.width}" height="${this.height}" viewBox="0 0 ${this.width} ${this.height}">\n` +
      `${this.parts.filter(Boolean).join("\n")}\n</svg>\n`
    );
  }
}
