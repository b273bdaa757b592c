import { useEffect, useState } from "preact/hooks";
import { version } from "../../live";

const PAUSE = 5000; // ms

/** The version of the data, at most every five seconds another one: for questions that read every run. */
export function useSlowVersion(): number {
  const now = version.value;
  const [seen, setSeen] = useState(now);
  useEffect(() => {
    if (version.peek() === seen) return;
    const timer = setTimeout(() => setSeen(version.peek()), PAUSE);
    return () => clearTimeout(timer);
  }, [now === seen, seen]);
  return seen;
}
