import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** A page whose code is fetched when it is first shown. */
export function later(load: () => Promise<{ default: ComponentType }>): ComponentType {
  let page: ComponentType | null = null;
  return function Later() {
    const [failed, setFailed] = useState<unknown>(null);
    const [, redraw] = useState(page);
    useEffect(() => {
      if (page) return;
      load().then((module) => redraw(() => (page = module.default)), setFailed);
    }, []);
    if (failed) return <div class="failed" role="alert">The page could not be loaded; is `headway ui` still running?</div>;
    const Page = page;
    return Page ? <Page /> : <div class="loading" role="status">…</div>;
  };
}
