import type { Picture } from "../../charts/keep";
import { look } from "../../charts/look";
import { value } from "../../format";
import { axisOf, confidence, percent, rankText, span, type Study } from "./verdicts";

const ROW = 24, TOP = 62, LEFT = 300, WIDTH = 420, RIGHT = 90;

/** The plot with names and means, for a paper or a slide. */
export function forestPicture(study: Study): Picture {
  const { places, groups, question } = study;
  const colors = look();
  const width = LEFT + WIDTH + RIGHT, height = TOP + ROW * places.length + 14;
  const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent").trim();
  const axis = axisOf(places, groups.filter((group) => group.values.length));
  const x = (given: number) => LEFT + (WIDTH * percent(axis, given)) / 100;
  return {
    name: `groups-${question.metric}`, width, height,
    draw: (on) => {
      const write = (text: string, at: number, y: number, align: string, color: string, weight = "") => {
        on.font = `${weight}12px ${colors.font}`;
        on.textAlign = align;
        on.fillStyle = color;
        on.fillText(text, at, y);
      };
      on.fillStyle = colors.paper;
      on.fillRect(0, 0, width, height);
      on.textBaseline = "middle";
      write(`${question.metric}, mean and ${confidence(question.level)}% interval`, 14, 20, "left", colors.ink, "600 ");
      for (const { at, text } of axis.ticks) {
        const place = LEFT + (WIDTH * at) / 100;
        write(text, place, TOP - 12, "center", colors.dim);
        on.fillStyle = colors.grid;
        on.fillRect(place - 0.5, TOP, 1, ROW * places.length);
      }
      for (const [row, place] of places.entries()) {
        const y = TOP + ROW * (row + 0.5);
        const color = place.rank === 1 ? accent : colors.dim;
        write(rankText(place, study), 40, y, "right", colors.dim);
        write(place.name.length > 38 ? `${place.name.slice(0, 37)}…` : place.name, 52, y, "left", colors.ink);
        write(value(place.mean), width - 16, y, "right", colors.ink);
        on.fillStyle = color;
        if (place.interval) {
          const { from, to } = span(axis, place.interval);
          on.globalAlpha = 0.22;
          on.fillRect(LEFT + (WIDTH * from) / 100, y - 5, (WIDTH * (to - from)) / 100, 10);
          on.globalAlpha = 1;
        }
        for (const one of groups.find(({ name }) => name === place.name)?.values ?? []) on.fillRect(x(one) - 2.5, y - 2.5, 5, 5);
        if (place.n > 1) on.fillRect(x(place.mean) - 1, y - 8, 2, 16);
      }
    },
  };
}
