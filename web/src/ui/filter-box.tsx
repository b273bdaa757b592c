/** The filter of the page: written with suggestions, applied on Enter or after a pause, faults shown at their place. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, type Keys } from "../api";
import { useResource } from "../resource";
import { suggest, wordAt, type Suggestion } from "../suggest";
import { filter, setParams } from "../url";

const PAUSE = 350; // ms after the last key before the filter is applied

let box: HTMLInputElement | null = null;
export const focusFilter = () => box?.focus();

export function FilterBox() {
  const [text, setText] = useState(filter.value);
  const [error, setError] = useState<ApiError | null>(null);
  const [open, setOpen] = useState(false);
  const [at, setAt] = useState(-1);
  const [cursor, setCursor] = useState(text.length);
  const input = useRef<HTMLInputElement>(null);
  const timer = useRef<number>(0);
  const known = useResource(open ? "keys" : null, (abort) => get<Keys>("/api/keys", {}, abort)).data;
  const applied = filter.value;
  useEffect(() => setText(applied), [applied]);
  useEffect(() => {
    box = input.current;
    return () => void (box = null);
  }, []);

  const word = wordAt(text, cursor);
  const options: Suggestion[] = open && known ? suggest(word, known) : [];

  const apply = async (next: string) => {
    clearTimeout(timer.current);
    try {
      await get("/api/runs", { f: next, limit: 1 });
      setError(null);
      setParams({ f: next.trim(), offset: null });
    } catch (problem) {
      if (problem instanceof ApiError) setError(problem);
    }
  };
  const write = (next: string, place: number) => {
    setText(next);
    setCursor(place);
    setAt(-1);
    setOpen(true);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => void apply(next), PAUSE);
  };
  const take = (one: Suggestion) => {
    const rest = text.slice(word.end);
    const next = `${text.slice(0, word.start)}${one.text}${rest.startsWith(" ") ? "" : " "}${rest}`;
    write(next, word.start + one.text.length + 1);
    queueMicrotask(() => input.current?.setSelectionRange(word.start + one.text.length + 1, word.start + one.text.length + 1));
    input.current?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      setOpen(true);
      setAt((old) => (old + (event.key === "ArrowDown" ? 1 : -1) + options.length + 1) % (options.length + 1));
    } else if ((event.key === "Enter" || event.key === "Tab") && open && options[at]) {
      event.preventDefault();
      take(options[at]);
    } else if (event.key === "Enter") {
      setOpen(false);
      void apply(text);
    } else if (event.key === "Escape") {
      if (open) setOpen(false);
      else input.current?.blur();
    }
  };
  return (
    <div class={`filter${error ? " wrong" : ""}`}>
      <input
        ref={input}
        type="search"
        value={text}
        placeholder='filter:  status = finished and val/accuracy > 0.9   ( / )'
        aria-label="Filter runs"
        aria-invalid={error !== null}
        spellcheck={false}
        autocomplete="off"
        role="combobox"
        list={undefined}
        aria-expanded={options.length > 0}
        onInput={(event) => write(event.currentTarget.value, event.currentTarget.selectionStart ?? 0)}
        onClick={(event) => setCursor(event.currentTarget.selectionStart ?? 0)}
        onKeyUp={(event) => setCursor(event.currentTarget.selectionStart ?? 0)}
        onKeyDown={onKey}
        onFocus={() => setOpen(true)}
        onBlur={() => setTimeout(() => setOpen(false), 150)}
      />
      {error && (
        <p class="problem" role="alert">
          {error.message}
          {error.hint ? ` ${error.hint}` : ""}
        </p>
      )}
      {options.length > 0 && (
        <ul class="panel suggestions" role="listbox">
          {options.map((one, index) => (
            <li key={one.text} role="option" aria-selected={index === at} onPointerDown={(event) => { event.preventDefault(); take(one); }}>
              <code>{one.text}</code>
              <span class="dim">{one.what}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
