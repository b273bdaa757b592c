/** Hand a picture to the reader: whatever draws on a surface becomes a PNG (twice as fine) or an SVG. */
import { complain } from "../ui/toast";
import { download } from "../ui/download";
import type { Surface } from "./draw";
import { SvgSurface } from "./svg";

export interface Picture {
  name: string;
  width: number;
  height: number;
  draw: (on: Surface) => void;
}

export function keepSvg({ name, width, height, draw }: Picture): void {
  const on = new SvgSurface(width, height);
  draw(on);
  download(`${name}.svg`, on.text(), "image/svg+xml");
}

export function keepPng({ name, width, height, draw }: Picture): void {
  const canvas = document.createElement("canvas");
  canvas.width = 2 * width;
  canvas.height = 2 * height;
  const on = canvas.getContext("2d")!;
  on.scale(2, 2);
  draw(on);
  canvas.toBlob((blob) => (blob ? download(`${name}.png`, blob) : complain(new Error("the browser could not write a PNG of this size"))));
}
