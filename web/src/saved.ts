/** Choices that a browser remembers: columns, layouts, named views. Broken or foreign content is the default again. */
export function remembered<T>(key: string, fallback: T, valid: (value: unknown) => value is T): T {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(`headway:${key}`) ?? "null");
    return valid(value) ? value : fallback;
  } catch {
    return fallback;
  }
}

export function remember(key: string, value: unknown): void {
  try {
    localStorage.setItem(`headway:${key}`, JSON.stringify(value));
  } catch {
    return; // storage is full or forbidden: the view works, it is only not remembered
  }
}

export const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every((item) => typeof item === "string");
