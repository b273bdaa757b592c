/** A value as it was written, to the last digit: configs are compared, not read off. Nothing for null. */
export function exact(value: unknown): string {
  if (value === null || value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
