import type { Picture } from "../../charts/keep";
import { look } from "../../charts/look";
import type { ParamKey } from "./model";

const ROW = 22;

/** The bars as a picture. */
export function barsPicture(metric: string, keys: readonly ParamKey[]): Picture {
  const colors = look();
  return {
    name: `importance-${metric}`, width: 640, height: 40 + ROW * keys.length,
    draw: (on) => {
      on.fillStyle = colors.paper;
      on.fillRect(0, 0, 640, 40 + ROW * keys.length);
      on.textBaseline = "middle";
      on.fillStyle = colors.ink;
      on.font = `600 13px ${colors.font}`;
      on.textAlign = "left";
      on.fillText(`Importance for ${metric}`, 12, 18);
      on.font = `11px ${colors.font}`;
      for (const [at, { key, importance }] of keys.entries()) {
        const y = 40 + ROW * at;
        on.fillStyle = colors.dim;
        on.textAlign = "right";
        on.fillText(key.replace(/^config\./, ""), 250, y + 7);
        on.fillStyle = colors.ink;
        on.fillRect(260, y, Math.max(1, 310 * (importance ?? 0)), 14);
        on.textAlign = "left";
        on.fillText(`${(100 * (importance ?? 0)).toFixed(0)} %`, 266 + 310 * (importance ?? 0), y + 7);
      }
    },
  };
}
