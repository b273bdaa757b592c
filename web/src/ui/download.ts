/** Hand a text or a picture made here to the reader as a file. */
export function download(name: string, content: Blob | string, type = "text/plain"): void {
  const blob = typeof content === "string" ? new Blob([content], { type }) : content;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[^\w.-]+/g, "-");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The same picture as pixels, twice as many as it has points. */
export async function downloadPng(name: string, svg: string): Promise<void> {
  const address = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = 2 * image.width;
    canvas.height = 2 * image.height;
    canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
    const pixels = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    if (pixels) download(name, pixels);
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** Rows as CSV (RFC 4180); a cell that a spreadsheet would run as a formula is escaped with an apostrophe. */
export function csv(rows: readonly (readonly unknown[])[]): string {
  return rows.map((row) => row.map(csvCell).join(",")).join("\r\n") + "\r\n";
}

function csvCell(given: unknown): string {
  if (given === null || given === undefined) return "";
  if (typeof given === "number") return String(given);
  const text = typeof given === "string" ? given : JSON.stringify(given);
  const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}
